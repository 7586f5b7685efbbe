#!lua
-- Turns the untold clicks of a link into one word to its owner.
-- KEYS[1]  HASH  the link
-- KEYS[2]  ZSET  what is to be told, `<id>|<text>` by id
-- ARGV[1]  ms that must have passed since the owner was last told
-- ARGV[2]  ms since 1970 when the link was registered as a source of intents
-- ARGV[3]  ms for which that is good
-- ARGV[4]  intents that may wait
-- ARGV[5]  intents to return
-- Returns {0}: nothing to tell · {1}: told too recently · {2}: registered too long ago · {3}: too many intents wait ·
--   {4, id, intents}: the intent left, and the oldest ones
local link = redis.call('HMGET', KEYS[1], 'o', 'n', 'l', 'i')
if not link[1] or (link[2] or '0') == '0' then
  return {0}
end
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
if link[3] and now - tonumber(link[3]) < tonumber(ARGV[1]) then
  return {1}
end
if now - tonumber(ARGV[2]) > tonumber(ARGV[3]) then
  return {2}
end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then
  return {3}
end
local id = string.format('%.0f', math.max(micros, tonumber(link[4] or '0') + 1))
redis.call('HSET', KEYS[1], 'i', id, 'n', '0', 'l', string.format('%.0f', now))
redis.call('ZADD', KEYS[2], id, table.concat({id .. '|clicked', link[1], link[2]}, ' '))
return {4, tonumber(id), redis.call('ZRANGE', KEYS[2], 0, ARGV[5] - 1)}
