#!lua
-- Notes that a socket lives, from now on if it is new. With the first one its user is online.
-- KEYS[1]  HASH  presence, see src/presence/keys.rs
-- KEYS[2]  ZSET  socket -> ms until which it counts as live
-- ARGV[1]  socket
-- ARGV[2]  ms that it counts as live without a further beat
-- ARGV[3]  channel of the user's presence
-- Returns 0: it was known · 1: it is new
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local status, ends = unpack(redis.call('HMGET', KEYS[1], 'status', 'until'))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', stamp)
local new = redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2]
redis.call('PEXPIREAT', KEYS[2], last)
redis.call('HSET', KEYS[1], 'until', last)
if tonumber(ends or '0') <= now then
  redis.call('HDEL', KEYS[1], 'status')
  redis.call('HSET', KEYS[1], 'seen', stamp)
  redis.call('PUBLISH', ARGV[3], 'online ' .. stamp)
elseif status ~= 'offline' then
  redis.call('HSET', KEYS[1], 'seen', stamp)
end
return new
