#!lua
-- Lets a user who is here without a socket stay for a while longer.
-- KEYS[1]  HASH  presence, see src/presence/keys.rs
-- KEYS[2]  ZSET  socket -> ms until which it counts as live
-- ARGV[1]  ms that a user without a socket counts as here
-- Returns 0: not here · 1: by sockets · 2: stays
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local status, ends = unpack(redis.call('HMGET', KEYS[1], 'status', 'until'))
if tonumber(ends or '0') <= now then
  return 0
end
if redis.call('ZCOUNT', KEYS[2], '(' .. stamp, '+inf') > 0 then
  return 1
end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + tonumber(ARGV[1])))
if status ~= 'offline' then
  redis.call('HSET', KEYS[1], 'seen', stamp)
end
return 2
