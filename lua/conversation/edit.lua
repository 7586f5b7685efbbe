#!lua
-- Replaces the text of a message, by its sender.
-- KEYS[1]  HASH  the conversation
-- KEYS[2]  HASH  seq -> message, see append.lua
-- KEYS[3]  ZSET  intents by number
-- ARGV[1]  the caller's side: 0 for a, 1 for b
-- ARGV[2]  seq of the message; ARGV[3] second of its creation, as its id says
-- ARGV[4]  body, JSON
-- ARGV[5]  when the source was registered, ms; ARGV[6] how old that may be, ms
-- ARGV[7]  intents allowed to wait; ARGV[8] intents to return
-- Returns {0}: no such message · {1}: somebody else's · {2}: deleted · {3}: not a text · {4}: too many intents wait ·
--   {5}: registered too long ago · {6}: the receiver has blocked the sender ·
--   {7, message, number, intent, intent, ...}: replaced
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
  return {2}
end
if cjson.decode(body).k ~= 'text' then
  return {3}
end
local meta = redis.call('HMGET', KEYS[1], 'e', side == '0' and 'k1' or 'k0')
if meta[2] then
  return {6}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(ARGV[5]) > tonumber(ARGV[6]) then
  return {5}
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[7]) then
  return {4}
end
local stamp = string.format('%.0f', now)
local edited = created .. '|' .. stamp .. '|0|' .. side .. '|' .. sent .. '|' .. ARGV[4]
local number = tonumber(meta[1] or '0') + 1
redis.call('HSET', KEYS[2], ARGV[2], edited)
redis.call('HSET', KEYS[1], 'e', number, 'u', stamp)
redis.call('ZADD', KEYS[3], number, number .. '|edit|' .. ARGV[2])
local reply = redis.call('ZRANGE', KEYS[3], 0, tonumber(ARGV[8]) - 1)
table.insert(reply, 1, 7)
table.insert(reply, 2, edited)
table.insert(reply, 3, number)
return reply
