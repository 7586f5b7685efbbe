#!lua
-- Takes a code off its owner's list, unless it has been listed anew since.
-- KEYS[1]  ZSET  code -> microseconds when it was listed
-- ARGV[1]  code
-- ARGV[2]  the listing that is to go
-- Returns 0: listed anew, or not at all · 1: taken off
local listed = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not listed or tonumber(listed) ~= tonumber(ARGV[2]) then
  return 0
end
return redis.call('ZREM', KEYS[1], ARGV[1])
