-- The update mark of aem-reseal, written by the file triggers of its package: a first line, then `BOOT-ID TIME PATH` for each
-- file (docs/contract.md, The update mark). Run by rpm's Lua.
local mark = {}

local MEASURED = { @PREFIX_LIST@ }

local function is_measured(path)
  for _, prefix in ipairs(MEASURED) do
    if path:sub(1, #prefix) == prefix then return true end
  end
  return false
end

-- Adds lines: paths, or `-`, or `+N`.
local function write(added)
  local file = io.open("/proc/sys/kernel/random/boot_id", "r")
  local boot = file and file:read("l") or "-"
  if file then file:close() end
  if not boot:match("^[0-9a-f-]+$") then boot = "-" end
  local prefix, is_new = boot .. " " .. os.time() .. " ", {}
  for _, each in ipairs(added) do is_new[each] = true end
  local kept, names_this_boot = {}, false
  local old = io.open("@UPDATE_MARK@", "r")
  if old then
    if old:read("l") == "@TITLE@" then
      for line in old:lines() do
        local of_boot, of_path = line:match("^(%S+) %d+ (.+)$")
        if of_boot then
          local same = of_boot == boot
          if same then names_this_boot = true end
          -- Told once for each boot; that something was removed is no news where paths are named.
          if not (same and (is_new[of_path] or of_path == "-")) then kept[#kept + 1] = line end
        end
      end
    end
    old:close()
  end
  if added[1] == "-" and names_this_boot then return end
  for _, each in ipairs(added) do kept[#kept + 1] = prefix .. each:gsub("%c", "?") end
  local draft = io.open("@UPDATE_MARK@.new", "w")
  if not draft then return end
  draft:write("@TITLE@\n")
  for at = math.max(1, #kept - @MAX_LINES@ + 1), #kept do draft:write(kept[at], "\n") end
  draft:close()
  posix.chmod("@UPDATE_MARK@.new", "0644")
  os.rename("@UPDATE_MARK@.new", "@UPDATE_MARK@")
end

-- After a transaction that installed files. next_file: gives the paths one by one, then nil
function mark.note_installed(next_file)
  local paths, own, seen = {}, false, {}
  local path = next_file()
  while path do
    if path == "@PROGRAM@" then
      own = true
    elseif not seen[path] and is_measured(path) then
      seen[path] = true
      paths[#paths + 1] = path
    end
    path = next_file()
  end
  if own then
    -- This package is in the transaction itself, so the paths are those of all packages (rpm, lib/rpmtriggers.c,
    -- runImmedFileTriggers): take what is newer than the stamp of its %pretrans.
    local stamp = posix.stat("@STAMP@", "ctime")
    os.remove("@STAMP@")
    local written = {}
    for _, each in ipairs(paths) do
      local changed = stamp and posix.stat(each, "ctime")
      if changed and changed >= stamp then written[#written + 1] = each end
    end
    paths = written
  end
  if #paths == 0 then return end
  local lines = {}
  for at = 1, math.min(#paths, @MAX_PATHS@) do lines[at] = paths[at] end
  if #paths > @MAX_PATHS@ then lines[#lines + 1] = "+" .. (#paths - @MAX_PATHS@) end
  write(lines)
end

-- After a transaction that removed files; rpm gives no paths then. What an update installed instead is in the mark already.
function mark.note_removed()
  write({ "-" })
end

return mark
