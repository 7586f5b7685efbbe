#!lua
-- Brings a closed account back while that can be done, and leaves the notice.
-- KEYS[1]  HASH  the account; `gen` rises with each closing and each recovery: odd is closed;
--   `i` is the id of the last notice left
-- KEYS[2]  ZSET  sealed notices `<id>|<text>`, by id
-- ARGV[1]  ms since 1970 when the account was registered as one that is being brought back
-- ARGV[2]  the sealed notice
-- ARGV[3]  ms since 1970 when the account was registered as a source of notices
-- ARGV[4]  ms for which either is good
-- ARGV[5]  notices that may wait
-- ARGV[6]  notices to return
-- Returns {0}: no such account, or gone for good · {1}: registered too long ago · {2}: too many notices wait ·
--   {3}: it is open · {4, id, notices}: brought back; the notice left, and the oldest ones
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
local gen, ends, purging = unpack(redis.call('HMGET', KEYS[1], 'gen', 'until', 'purging'))
if tonumber(gen or '0') % 2 == 0 then
  return {3}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if purging or tonumber(ends) <= now / 1000 then
  return {0}
end
if now / 1000 - math.min(tonumber(ARGV[1]), tonumber(ARGV[3])) > tonumber(ARGV[4]) then
  return {1}
end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) then
  return {2}
end
redis.call('HINCRBY', KEYS[1], 'gen', 1)
redis.call('HDEL', KEYS[1], 'until')
local id = math.max(now, tonumber(redis.call('HGET', KEYS[1], 'i') or '0') + 1)
local text = string.format('%.0f', id)
redis.call('HSET', KEYS[1], 'i', text)
redis.call('ZADD', KEYS[2], text, text .. '|' .. ARGV[2])
return {4, id, redis.call('ZRANGE', KEYS[2], 0, ARGV[6] - 1)}
