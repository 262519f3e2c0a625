-- Before a transaction in which this package is installed or upgraded: a stamp, for update-mark.lua.
pcall(function()
  os.remove("@STAMP@")
  -- rpm's Lua tells times in seconds: nothing that an earlier transaction installed may be of the stamp's second.
  posix.sleep(1)
  local stamp = io.open("@STAMP@", "w")
  if stamp then stamp:close() end
end)
