#!lua
-- Sets by hand how a user who is here looks. Who has no socket counts as here for a while.
-- KEYS[1]  HASH  presence, see src/presence/keys.rs
-- KEYS[2]  ZSET  socket -> ms until which it counts as live
-- ARGV[1]  online, away, busy or offline, which is being here unseen
-- ARGV[2]  ms that a user without a socket counts as here
-- ARGV[3]  channel of the user's presence
-- Returns {0, seen}: the user looked like that before · {1, seen}: looks different now; seen in ms, 0: never
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local wanted = ARGV[1]
local status, ends, seen = unpack(redis.call('HMGET', KEYS[1], 'status', 'until', 'seen'))
local before = tonumber(ends or '0') > now and (status or 'online') or 'offline'
if redis.call('ZCOUNT', KEYS[2], '(' .. stamp, '+inf') == 0 then
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + tonumber(ARGV[2])))
end
if wanted == 'online' then
  redis.call('HDEL', KEYS[1], 'status')
else
  redis.call('HSET', KEYS[1], 'status', wanted)
end
if before == 'offline' and wanted == 'offline' then
  return {0, tonumber(seen or '0')}
end
redis.call('HSET', KEYS[1], 'seen', stamp)
if before == wanted then
  return {0, now}
end
redis.call('PUBLISH', ARGV[3], wanted .. ' ' .. stamp)
return {1, now}
