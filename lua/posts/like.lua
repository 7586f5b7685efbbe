#!lua
-- Likes a post, takes the like back, or does whichever changes something. A like by anybody but the author leaves an
-- intent, so that the author hears of it; unless it was there lately, and taken back.
-- KEYS[1]  HASH  the post
-- KEYS[2]  ZSET  user id -> stamp of the like
-- KEYS[3]  ZSET  intents `<stamp>|<text>`, by stamp
-- KEYS[4]  ZSET  user id -> stamp of a like taken back
-- ARGV[1]  who likes
-- ARGV[2]  'on', 'off' or 'toggle'
-- ARGV[3]  ms since 1970 when the post was registered as a source of intents
-- ARGV[4]  ms for which that is good
-- ARGV[5]  intents that may wait
-- ARGV[6]  intents to return
-- ARGV[7]  ms for which a like taken back is remembered; ARGV[8] how many are
-- Returns {0}: no such post, or its author's account is closed · {1}: registered too long ago · {2}: too many intents wait · {3}: it is so already ·
--   {4}: changed · {5, stamp, intents}: changed; the intent left and the oldest ones
local author, gen = unpack(redis.call('HMGET', KEYS[1], 'u', 'z'))
if not author or gen and gen % 2 == 1 and author ~= ARGV[1] then
  return {0}
end
local liked = redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= false
local like = ARGV[2] == 'on' or (ARGV[2] == 'toggle' and not liked)
if like == liked then
  return {3}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if not like then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('HINCRBY', KEYS[1], 'v', 1)
  redis.call('ZADD', KEYS[4], string.format('%.0f', now), ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -ARGV[8] - 1)
  redis.call('PEXPIRE', KEYS[4], ARGV[7])
  return {4}
end
local back = tonumber(redis.call('ZSCORE', KEYS[4], ARGV[1]) or '0')
local tells = author ~= ARGV[1] and now - back > ARGV[7] * 1000
if tells and now / 1000 - tonumber(ARGV[3]) > tonumber(ARGV[4]) then
  return {1}
end
if tells and redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5]) then
  return {2}
end
local stamp = math.max(now, tonumber(redis.call('HGET', KEYS[1], 's') or '0') + 1)
local at = string.format('%.0f', stamp)
redis.call('ZADD', KEYS[2], at, ARGV[1])
redis.call('HSET', KEYS[1], 's', at)
redis.call('HINCRBY', KEYS[1], 'v', 1)
if not tells then
  return {4}
end
local intent = table.concat({'liked', author, ARGV[1], redis.call('ZCARD', KEYS[2])}, ' ')
redis.call('ZADD', KEYS[3], at, at .. '|' .. intent)
return {5, stamp, redis.call('ZRANGE', KEYS[3], 0, ARGV[6] - 1)}
