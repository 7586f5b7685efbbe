#!lua
-- Keeps the digest of a token that a mail will carry, the oldest giving way to it, and leaves the notice that mails it.
-- KEYS[1]  HASH  the account; `i` is the id of the last notice left
-- KEYS[2]  ZSET  digests of tokens of this kind, by when they end, in ms
-- KEYS[3]  ZSET  notices `<id>|<sealed>`, by id
-- ARGV[1]  digest
-- ARGV[2]  ms that the token lives
-- ARGV[3]  tokens of a kind that may live
-- ARGV[4]  the sealed notice
-- ARGV[5]  ms since 1970 when the account was registered as a source of notices
-- ARGV[6]  ms for which that is good
-- ARGV[7]  notices that may wait
-- ARGV[8]  notices to return
-- Returns {0}: no such account · {1}: registered too long ago · {2}: too many notices wait ·
--   {3, id, notices}: kept; the id of the notice left, and the oldest ones
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(ARGV[5]) > tonumber(ARGV[6]) then
  return {1}
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[7]) then
  return {2}
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
local id = math.max(time[1] * 1000000 + time[2], tonumber(redis.call('HGET', KEYS[1], 'i') or '0') + 1)
local at = string.format('%.0f', id)
redis.call('HSET', KEYS[1], 'i', at)
redis.call('ZADD', KEYS[3], at, at .. '|' .. ARGV[4])
return {3, id, redis.call('ZRANGE', KEYS[3], 0, ARGV[8] - 1)}
