#!lua
-- Takes a source off the register unless it has been registered again since.
-- KEYS[1]  ZSET  source -> ms since 1970 when it was last registered
-- ARGV[1]  source
-- ARGV[2]  when it was registered, as due.lua listed it
-- Returns 0: registered again, or gone · 1: taken off
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0') ~= tonumber(ARGV[2]) then
  return 0
end
return redis.call('ZREM', KEYS[1], ARGV[1])
