#!lua
-- Notes that the last session of a user has ended: the user has gone, and sockets still open count no more.
-- KEYS[1]  HASH  presence, see src/presence/keys.rs
-- KEYS[2]  ZSET  socket -> ms until which it counts as live
-- ARGV[1]  microseconds since 1970 when the session ended
-- ARGV[2]  channel of the user's presence
-- Returns 0: there was a login since · 1: had gone already · 2: has gone
local status, ends, seen, came = unpack(redis.call('HMGET', KEYS[1], 'status', 'until', 'seen', 'in'))
if tonumber(came or '0') >= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'out', ARGV[1])
redis.call('DEL', KEYS[2])
if tonumber(ends or '0') == 0 then
  return 1
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HDEL', KEYS[1], 'status')
redis.call('HSET', KEYS[1], 'until', '0')
if status ~= 'offline' then
  if tonumber(ends) > now then
    seen = string.format('%.0f', now)
    redis.call('HSET', KEYS[1], 'seen', seen)
  end
  redis.call('PUBLISH', ARGV[2], 'offline ' .. seen)
end
return 2
