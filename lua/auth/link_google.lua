#!lua
-- Links a Google account, whose owner has proven the address, and leaves the notice of it. Whoever made an account
-- without ever proving the address may be somebody else: such an account loses its password, and its sessions end,
-- which their sockets are told.
-- KEYS[1]  HASH  the account; `i` is the id of the last notice left
-- KEYS[2]  HASH  session id -> JSON, see open_session.lua
-- KEYS[3]  ZSET  notices `<id>|<sealed>`, by id
-- ARGV[1]  digest of the Google account's id
-- ARGV[2]  channel of the user
-- ARGV[3]  the sealed notice
-- ARGV[4]  ms since 1970 when the account was registered as a source of notices
-- ARGV[5]  ms for which that is good
-- ARGV[6]  notices that may wait
-- ARGV[7]  notices to return
-- Returns {0}: no such account · {1}: registered too long ago · {2}: too many notices wait ·
--   {3}: linked with another one · {4}: linked with this one already · {5, id, notices, ended, now}: linked; the id of the
--   notice left, the oldest ones, how many sessions ended, and when this was, in microseconds since 1970
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
local linked = redis.call('HGET', KEYS[1], 'google')
if linked then
  return {linked == ARGV[1] and 4 or 3}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(ARGV[4]) > tonumber(ARGV[5]) then
  return {1}
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[6]) then
  return {2}
end
local ended = {}
if redis.call('HSETNX', KEYS[1], 'verified', string.format('%.0f', now)) == 1 then
  redis.call('HDEL', KEYS[1], 'password')
  ended = redis.call('HKEYS', KEYS[2])
  redis.call('DEL', KEYS[2])
  if #ended > 0 then
    redis.call('PUBLISH', ARGV[2], 'revoked ' .. table.concat(ended, ' '))
  end
end
redis.call('HSET', KEYS[1], 'google', ARGV[1])
local at_us = time[1] * 1000000 + time[2]
local id = math.max(at_us, tonumber(redis.call('HGET', KEYS[1], 'i') or '0') + 1)
local at = string.format('%.0f', id)
redis.call('HSET', KEYS[1], 'i', at)
redis.call('ZADD', KEYS[3], at, at .. '|' .. ARGV[3])
return {5, id, redis.call('ZRANGE', KEYS[3], 0, ARGV[7] - 1), #ended, at_us}
