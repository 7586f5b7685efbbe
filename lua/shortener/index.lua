#!lua
-- Lists a code among its owner's links. A code that is listed already moves on by a microsecond, so that whoever saw
-- the older listing does not take this one back; its place in the list stays.
-- KEYS[1]  ZSET  code -> microseconds when it was listed
-- ARGV[1]  code
-- ARGV[2]  links allowed
-- Returns 0: the owner has too many · n: listed at n
local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
local listed
if before then
  listed = tonumber(before) + 1
elseif redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
else
  local time = redis.call('TIME')
  listed = time[1] * 1000000 + time[2]
end
redis.call('ZADD', KEYS[1], string.format('%.0f', listed), ARGV[1])
return listed
