#!lua
-- Comments on a post. A comment by anybody but the author leaves an intent, so that the author hears of it.
-- KEYS[1]  HASH    the post
-- KEYS[2]  STREAM  comments: id is `<stamp>-0`, the one field is the user id, its value the text
-- KEYS[3]  ZSET    intents `<stamp>|<text>`, by stamp
-- ARGV[1]  who comments
-- ARGV[2]  the text
-- ARGV[3]  comments allowed
-- ARGV[4]  ms since 1970 when the post was registered as a source of intents
-- ARGV[5]  ms for which that is good
-- ARGV[6]  intents that may wait
-- ARGV[7]  intents to return
-- Returns {0}: no such post, or its author's account is closed · {1}: too many comments · {2}: registered too long ago · {3}: too many intents wait ·
--   {4, stamp}: made · {5, stamp, intents}: made; its stamp is the intent left, and the oldest ones
local author, gen = unpack(redis.call('HMGET', KEYS[1], 'u', 'z'))
if not author or gen and gen % 2 == 1 and author ~= ARGV[1] then
  return {0}
end
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[3]) then
  return {1}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tells = author ~= ARGV[1]
if tells and now / 1000 - tonumber(ARGV[4]) > tonumber(ARGV[5]) then
  return {2}
end
if tells and redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[6]) then
  return {3}
end
local stamp = math.max(now, tonumber(redis.call('HGET', KEYS[1], 's') or '0') + 1)
local at = string.format('%.0f', stamp)
redis.call('XADD', KEYS[2], at .. '-0', ARGV[1], ARGV[2])
redis.call('HSET', KEYS[1], 's', at)
redis.call('HINCRBY', KEYS[1], 'v', 1)
if not tells then
  return {4, stamp}
end
local intent = table.concat({'commented', author, ARGV[1], redis.call('XLEN', KEYS[2]), ARGV[2]}, ' ')
redis.call('ZADD', KEYS[3], at, at .. '|' .. intent)
return {5, stamp, redis.call('ZRANGE', KEYS[3], 0, ARGV[7] - 1)}
