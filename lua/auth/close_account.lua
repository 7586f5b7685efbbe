#!lua
-- Closes an account until somebody logs in to it again, ends its sessions, tells their sockets, and leaves the notice.
-- KEYS[1]  HASH  the account; `gen` rises with each closing and each recovery: odd is closed;
--   `i` is the id of the last notice left
-- KEYS[2]  HASH  session id -> JSON, see open_session.lua
-- KEYS[3]  ZSET  sealed notices `<id>|<text>`, by id
-- ARGV[1]  ms for which it can be brought back
-- ARGV[2]  channel of the user
-- ARGV[3]  ms since 1970 when the account was registered as one that is being closed
-- ARGV[4]  '1': leave the notice
-- ARGV[5]  the sealed notice
-- ARGV[6]  ms since 1970 when the account was registered as a source of notices
-- ARGV[7]  ms for which either is good
-- ARGV[8]  notices that may wait
-- ARGV[9]  notices to return
-- Returns {0}: no such account · {1}: registered too long ago · {2}: too many notices wait · {3}: closed before ·
--   {4, now, id, notices}: closed, in microseconds since 1970; the notice left, or 0, and the oldest ones
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
if tonumber(redis.call('HGET', KEYS[1], 'gen') or '0') % 2 == 1 then
  return {3}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if now / 1000 - math.min(tonumber(ARGV[3]), tonumber(ARGV[6])) > tonumber(ARGV[7]) then
  return {1}
end
local tells = ARGV[4] == '1'
if tells and redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[8]) then
  return {2}
end
redis.call('HINCRBY', KEYS[1], 'gen', 1)
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', math.floor(now / 1000) + tonumber(ARGV[1])))
local sessions = redis.call('HKEYS', KEYS[2])
if sessions[1] then
  redis.call('DEL', KEYS[2])
  redis.call('PUBLISH', ARGV[2], 'revoked ' .. table.concat(sessions, ' '))
end
if not tells then
  return {4, now, 0, {}}
end
local id = math.max(now, tonumber(redis.call('HGET', KEYS[1], 'i') or '0') + 1)
local text = string.format('%.0f', id)
redis.call('HSET', KEYS[1], 'i', text)
redis.call('ZADD', KEYS[3], text, text .. '|' .. ARGV[5])
return {4, now, id, redis.call('ZRANGE', KEYS[3], 0, ARGV[9] - 1)}
