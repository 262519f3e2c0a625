-- Last removal only: an upgrade leaves all as it is. Whatever goes wrong here is said, and never stops rpm.
if tonumber(arg[2]) == 0 then
  local say = function(text) io.stderr:write("aem-reseal: " .. text .. "\n") end
  local done, reason = pcall(function()
    local read = function(path)
      local file = io.open(path, "r")
      if not file then return nil end
      local text = file:read("a")
      file:close()
      return text
    end
    -- What the launcher kept, a file for each version of Node. What others may lead elsewhere is left.
    local cache = "@CACHE@"
    local owner, mode = posix.stat(cache, "uid"), posix.stat(cache, "mode") or ""
    if posix.stat(cache, "type") == "directory" and owner == 0 and mode:match("^....%-..%-") then
      for _, name in ipairs(posix.dir(cache) or {}) do
        if name ~= "." and name ~= ".." then os.remove(cache .. "/" .. name) end
      end
    end
    local has_session = posix.stat("@STATE_DIR@/session.json") ~= nil
    if has_session then
      say("a session is open; it is kept in @STATE_DIR@, and `aem-reseal resume` goes on with it once the package is back")
    end
    -- A drop-in without its program would hold AEM's seal for ever: ExecCondition= fails closed.
    local text = read("@DROP_IN@")
    if text == nil then
      if posix.stat("@DROP_IN@") ~= nil then say("@DROP_IN@ could not be read and is left; look at it") end
      return
    end
    local own = false
    for _, known in ipairs({
@DROP_IN_TEXTS@
    }) do
      if text == known then own = true end
    end
    if not own then
      say("@DROP_IN@ is not as this program wrote it, and is left. If it runs a program that is gone now, AEM's automatic seal is held until you remove the file and run `systemctl daemon-reload`")
      return
    end
    local removed, why = os.remove("@DROP_IN@")
    if not removed then
      say("@DROP_IN@ could not be removed (" .. tostring(why) .. "): remove it and run `systemctl daemon-reload`, or AEM's automatic seal stays held")
      return
    end
    posix.rmdir("@DROP_IN_DIRECTORY@")
    say("removed @DROP_IN@")
    if has_session then say("a session is open, and AEM's next automatic seal is not held") end
    -- Where systemd does not run, as in an image that is being made, there is nothing to reload.
    if posix.stat("/run/systemd/system") ~= nil then
      local status = rpm.execute("/usr/bin/systemctl", "daemon-reload")
      if status ~= 0 then say("`systemctl daemon-reload` failed: run it by hand") end
    end
  end)
  if not done then say("the drop-in was not looked at (" .. tostring(reason) .. "): see @DROP_IN@") end
end
