#!lua
-- Takes a token that allows another password, and every token of its kind with it. All sessions end, which their
-- sockets are told; the account will hear of the change; its address is proven, since the token was mailed there.
-- KEYS[1]  HASH  the account; `i` is the id of the last notice left
-- KEYS[2]  HASH  session id -> JSON, see open_session.lua
-- KEYS[3]  ZSET  digests of tokens, see issue_proof.lua
-- KEYS[4]  ZSET  notices `<id>|<sealed>`, by id
-- ARGV[1]  digest of the token presented
-- ARGV[2]  hash of the new password
-- ARGV[3]  channel of the user
-- ARGV[4]  the sealed notice
-- ARGV[5]  ms since 1970 when the account was registered as a source of notices
-- ARGV[6]  ms for which that is good
-- ARGV[7]  notices that may wait
-- ARGV[8]  notices to return
-- Returns {0}: no such token, or no such account · {1}: registered too long ago · {2}: too many notices wait ·
--   {3, id, notices, ended, now}: done; the id of the notice left, the oldest ones, how many sessions ended, and when
--   this was, in microseconds since 1970
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1]) or '0')
if ends <= now or redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
if now - tonumber(ARGV[5]) > tonumber(ARGV[6]) then
  return {1}
end
if redis.call('ZCARD', KEYS[4]) >= tonumber(ARGV[7]) then
  return {2}
end
local sessions = redis.call('HKEYS', KEYS[2])
redis.call('DEL', KEYS[2], KEYS[3])
if #sessions > 0 then
  redis.call('PUBLISH', ARGV[3], 'revoked ' .. table.concat(sessions, ' '))
end
redis.call('HSET', KEYS[1], 'password', ARGV[2])
redis.call('HSETNX', KEYS[1], 'verified', string.format('%.0f', now))
local at_us = time[1] * 1000000 + time[2]
local id = math.max(at_us, tonumber(redis.call('HGET', KEYS[1], 'i') or '0') + 1)
local at = string.format('%.0f', id)
redis.call('HSET', KEYS[1], 'i', at)
redis.call('ZADD', KEYS[4], at, at .. '|' .. ARGV[4])
return {3, id, redis.call('ZRANGE', KEYS[4], 0, ARGV[8] - 1), #sessions, at_us}
