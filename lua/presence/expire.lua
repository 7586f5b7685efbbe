#!lua
-- Tells that a user has gone whose time ran out without a word: a node died, or nothing came over HTTP any more.
-- KEYS[1]  HASH  presence, see src/presence/keys.rs
-- ARGV[1]  channel of the user's presence
-- Returns 0: has gone · n: is here until n, in ms since 1970
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local status, ends, seen = unpack(redis.call('HMGET', KEYS[1], 'status', 'until', 'seen'))
ends = tonumber(ends or '0')
if ends > now then
  return ends
end
if ends > 0 then
  redis.call('HDEL', KEYS[1], 'status')
  redis.call('HSET', KEYS[1], 'until', '0')
  if status ~= 'offline' then
    redis.call('PUBLISH', ARGV[1], 'offline ' .. seen)
  end
end
return 0
