#!lua
-- Lists a code among its owner's links, before the link is made.
-- KEYS[1]  ZSET  code -> ms when it was listed
-- ARGV[1]  code
-- ARGV[2]  links allowed
-- Returns 0: the owner has too many · 1: listed (or was before)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 1
end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
return 1
