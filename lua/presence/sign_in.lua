#!lua
-- Notes a login. Who has no socket is online for a while, whatever was set by hand before; sockets know better.
-- KEYS[1]  HASH  presence, see src/presence/keys.rs
-- KEYS[2]  ZSET  socket -> ms until which it counts as live
-- ARGV[1]  ms that a user without a socket counts as here
-- ARGV[2]  microseconds since 1970 when the session was opened
-- ARGV[3]  channel of the user's presence
-- Returns 0: all sessions have ended since · 1: sockets live, nothing changes · 2: online
local status, ends, came, left = unpack(redis.call('HMGET', KEYS[1], 'status', 'until', 'in', 'out'))
local at = tonumber(ARGV[2])
if tonumber(left or '0') > at then
  return 0
end
if tonumber(came or '0') < at then
  redis.call('HSET', KEYS[1], 'in', ARGV[2])
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
if redis.call('ZCOUNT', KEYS[2], '(' .. stamp, '+inf') > 0 then
  return 1
end
redis.call('HDEL', KEYS[1], 'status')
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + tonumber(ARGV[1])), 'seen', stamp)
if status or tonumber(ends or '0') <= now then
  redis.call('PUBLISH', ARGV[3], 'online ' .. stamp)
end
return 2
