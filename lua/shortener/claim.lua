#!lua
-- Makes a link under a code that is free, or that its owner has deleted: then its intents' ids go on from the last one's.
-- KEYS[1]  HASH  the link, fields as in src/shortener/keys.rs
-- ARGV[1]  owner's user id, or '' for a guest
-- ARGV[2..]  field, value, field, value, ...; times are added from the server's clock
-- Returns {0}: taken by somebody else · {1, now}: made, at that ms · {2}: taken by the owner's own link
local before = redis.call('HMGET', KEYS[1], 'o', 'x', 'i')
if before[2] then
  if before[1] ~= ARGV[1] then
    return {0}
  end
  redis.call('DEL', KEYS[1])
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  return {before[1] == ARGV[1] and 2 or 0}
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 't', now, 'd', now, unpack(ARGV, 2))
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], 'o', ARGV[1])
end
if before[3] then
  redis.call('HSET', KEYS[1], 'i', before[3])
end
return {1, tonumber(now)}
