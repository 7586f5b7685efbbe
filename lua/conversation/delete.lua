#!lua
-- Deletes a message, by its sender: it keeps its place and loses its content, and nothing refers to its file any more. An
-- unread one is unread no more.
-- KEYS[1]  HASH  the conversation
-- KEYS[2]  HASH  seq -> message, see append.lua
-- KEYS[3]  ZSET  intents by number
-- KEYS[4]  ZSET  seq of messages to a that were deleted unread
-- KEYS[5]  ZSET  the same to b
-- KEYS[6]  HASH  files in doubt, see reserve.lua
-- ARGV[1]  the caller's side: 0 for a, 1 for b
-- ARGV[2]  seq of the message; ARGV[3] second of its creation, as its id says
-- ARGV[4]  when the source was registered, ms; ARGV[5] how old that may be, ms
-- ARGV[6]  intents allowed to wait; ARGV[7] intents to return
-- Returns {0}: no such message · {1}: somebody else's · {2, message}: deleted before · {3}: too many intents wait ·
--   {4}: registered too long ago · {5, message, number, intent, intent, ...}: deleted
local message = redis.call('HGET', KEYS[2], ARGV[2])
local created, deleted, side, sent, body
if message then
  created, deleted, side, sent, body = string.match(message, '^(%d+)|%d+|(%d+)|(%d)|(%d+)|(.*)$')
end
if not message or math.floor(tonumber(created) / 1000) ~= tonumber(ARGV[3]) then
  return {0}
end
if side ~= ARGV[1] then
  return {1}
end
if deleted ~= '0' then
  return {2, message}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(ARGV[4]) > tonumber(ARGV[5]) then
  return {4}
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[6]) then
  return {3}
end
local receiver = side == '0' and '1' or '0'
local meta = redis.call('HMGET', KEYS[1], 'a', 'b', 'e', 'r' .. receiver)
local stamp = string.format('%.0f', now)
local had = cjson.decode(body)
local left = cjson.encode({k = had.k})
local emptied = created .. '|' .. stamp .. '|' .. stamp .. '|' .. side .. '|' .. sent .. '|' .. left
local number = tonumber(meta[3] or '0') + 1
redis.call('HSET', KEYS[2], ARGV[2], emptied)
redis.call('HSET', KEYS[1], 'e', number, 'u', stamp)
if had.f then
  redis.call('HSET', KEYS[6], had.f, '0')
end
if meta[1] ~= meta[2] and tonumber(ARGV[2]) > tonumber(meta[4] or '0') then
  redis.call('ZADD', receiver == '0' and KEYS[4] or KEYS[5], ARGV[2], ARGV[2])
  redis.call('HINCRBY', KEYS[1], 'n' .. receiver, -1)
end
redis.call('ZADD', KEYS[3], number, number .. '|delete|' .. ARGV[2])
local reply = redis.call('ZRANGE', KEYS[3], 0, tonumber(ARGV[7]) - 1)
table.insert(reply, 1, 5)
table.insert(reply, 2, emptied)
table.insert(reply, 3, number)
return reply
