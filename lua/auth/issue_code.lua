#!lua
-- Issues a code for a phone number in the place of the one before, and leaves the notice that brings it there.
-- KEYS[1]  HASH    {digest, tries}: the number's code as a keyed digest, and guesses counted against it
-- KEYS[2]  STRING  wrong guesses at the number's codes since the first one of this day
-- KEYS[3]  ZSET    sealed notices `<id>|<text>`, by id
-- KEYS[4]  STRING  id of the last notice left
-- ARGV[1]  digest of the code
-- ARGV[2]  ms that it lives
-- ARGV[3]  wrong guesses a day
-- ARGV[4]  ms for which that id is kept
-- ARGV[5]  the sealed notice
-- ARGV[6]  ms since 1970 when the number was registered as a source of notices
-- ARGV[7]  ms for which that is good
-- ARGV[8]  notices that may wait
-- ARGV[9]  notices to return
-- Returns {0, n}: too many wrong guesses, come back in n ms · {1}: registered too long ago · {2}: too many notices wait ·
--   {3, id, notices}: issued; the notice left, and the oldest ones
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[3]) then
  return {0, redis.call('PTTL', KEYS[2])}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if now / 1000 - tonumber(ARGV[6]) > tonumber(ARGV[7]) then
  return {1}
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[8]) then
  return {2}
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'tries', '0')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local id = math.max(now, tonumber(redis.call('GET', KEYS[4]) or '0') + 1)
local text = string.format('%.0f', id)
redis.call('SET', KEYS[4], text, 'PX', ARGV[4])
redis.call('ZADD', KEYS[3], text, text .. '|' .. ARGV[5])
return {3, id, redis.call('ZRANGE', KEYS[3], 0, ARGV[9] - 1)}
