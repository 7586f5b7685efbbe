#!lua
-- Forgets a socket that has closed. With the last one its user has gone, and with the user what was set by hand.
-- KEYS[1]  HASH  presence, see src/presence/keys.rs
-- KEYS[2]  ZSET  socket -> ms until which it counts as live
-- ARGV[1]  socket
-- ARGV[2]  channel of the user's presence
-- Returns 0: it was forgotten already · 1: others live · 2: the user has gone
if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', stamp)
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2]
if last then
  redis.call('HSET', KEYS[1], 'until', last)
  return 1
end
local status, ends, seen = unpack(redis.call('HMGET', KEYS[1], 'status', 'until', 'seen'))
ends = tonumber(ends or '0')
redis.call('HDEL', KEYS[1], 'status')
redis.call('HSET', KEYS[1], 'until', '0')
if ends > 0 and status ~= 'offline' then
  if ends > now then
    seen = stamp
    redis.call('HSET', KEYS[1], 'seen', seen)
  end
  redis.call('PUBLISH', ARGV[2], 'offline ' .. seen)
end
return 2
