#!lua
-- Puts somebody on a user's block list, or takes somebody off.
-- KEYS[1]  ZSET  user id -> ms when blocked
-- ARGV[1]  whom
-- ARGV[2]  '1': on, '0': off
-- ARGV[3]  people allowed on the list
-- Returns 0: the list is full · 1: done, or was so before
if ARGV[2] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 1
end
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 1
end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  return 0
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[1])
return 1
