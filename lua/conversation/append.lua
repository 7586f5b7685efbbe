#!lua
-- Appends a message: order, unread count and last message in one step, with the intent to tell both sides.
-- KEYS[1]  HASH    the conversation
-- KEYS[2]  HASH    seq -> message, `created|updated|deleted|side|sent by a so far|body`, times in ms
-- KEYS[3]  ZSET    intents by number
-- KEYS[4]  STRING  seq of the message that the sender made under this client id
-- KEYS[5]  HASH    files in doubt, see reserve.lua
-- ARGV[1]  sender's side: 0 for a, 1 for b
-- ARGV[2]  body, JSON
-- ARGV[3]  ms that the client id is remembered; empty without one
-- ARGV[4]  when the source was registered, ms; ARGV[5] how old that may be, ms
-- ARGV[6]  origin
-- ARGV[7]  messages allowed; ARGV[8] intents allowed to wait; ARGV[9] intents to return
-- ARGV[10] object of a file; empty for a text
-- Returns {0}: no such conversation · {1}: the receiver has blocked the sender · {2, seq}: made before ·
--   {3}: as many messages as allowed · {4}: too many intents wait · {5}: registered too long ago ·
--   {6, seq, message, number, intent, intent, ...}: appended; its intent's number, then the oldest that wait ·
--   {7}: the file is not reserved any more
local side = ARGV[1]
local meta = redis.call('HMGET', KEYS[1], 'a', 'b', 'q', 'o', 'e', side == '0' and 'k1' or 'k0')
if not meta[1] then
  return {0}
end
local known = ARGV[3] ~= '' and redis.call('GET', KEYS[4])
if known then
  return {2, tonumber(known)}
end
if meta[6] then
  return {1}
end
local seq = tonumber(meta[3]) + 1
if seq > tonumber(ARGV[7]) then
  return {3}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(ARGV[4]) > tonumber(ARGV[5]) then
  return {5}
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[8]) then
  return {4}
end
if ARGV[10] ~= '' then
  if redis.call('HGET', KEYS[5], ARGV[10]) ~= '1' then
    return {7}
  end
  redis.call('HDEL', KEYS[5], ARGV[10])
end
local sent = tonumber(meta[4]) + (side == '0' and 1 or 0)
local stamp = string.format('%.0f', now)
local message = stamp .. '|' .. stamp .. '|0|' .. side .. '|' .. sent .. '|' .. ARGV[2]
local number = tonumber(meta[5] or '0') + 1
redis.call('HSET', KEYS[2], seq, message)
redis.call('HSET', KEYS[1], 'q', seq, 'o', sent, 'e', number, 'l', stamp, 'u', stamp)
if meta[1] ~= meta[2] then
  redis.call('HINCRBY', KEYS[1], side == '0' and 'n1' or 'n0', 1)
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[4], seq, 'PX', ARGV[3])
end
redis.call('ZADD', KEYS[3], number, number .. '|new|' .. seq .. '|' .. ARGV[6])
local reply = redis.call('ZRANGE', KEYS[3], 0, tonumber(ARGV[9]) - 1)
table.insert(reply, 1, 6)
table.insert(reply, 2, seq)
table.insert(reply, 3, message)
table.insert(reply, 4, number)
return reply
