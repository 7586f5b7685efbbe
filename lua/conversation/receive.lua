#!lua
-- Notes how far a participant has received, or read, a conversation; never back. Reading recounts what is unread.
-- KEYS[1]  HASH    the conversation
-- KEYS[2]  HASH    seq -> message, see append.lua
-- KEYS[3]  ZSET    intents by number
-- KEYS[4]  STREAM  how far this side has received: id is the seq, `t` the time in ms
-- KEYS[5]  STREAM  how far this side has read
-- KEYS[6]  ZSET    seq of messages to this side that were deleted unread
-- ARGV[1]  the receiver's side: 0 for a, 1 for b
-- ARGV[2]  seq of the newest message meant; 0 for the last one
-- ARGV[3]  '1': read, '0': received only
-- ARGV[4]  when the source was registered, ms; ARGV[5] how old that may be, ms
-- ARGV[6]  origin
-- ARGV[7]  intents allowed to wait; ARGV[8] intents to return
-- Returns {0}: no such conversation · {1, unread}: known already · {2}: too many intents wait ·
--   {3}: registered too long ago · {4, unread, number, intent, intent, ...}: noted; number is 0 when nobody need know
local side, reading = ARGV[1], ARGV[3] == '1'
local meta = redis.call('HMGET', KEYS[1], 'a', 'b', 'q', 'o', 'e', 'd' .. side, 'r' .. side, 'c' .. side, 'm' .. side,
  'n' .. side)
if not meta[1] then
  return {0}
end
local last, unread = tonumber(meta[3]), tonumber(meta[10] or '0')
local upto = tonumber(ARGV[2])
if upto == 0 or upto > last then
  upto = last
end
local delivered, read = tonumber(meta[6] or '0'), tonumber(meta[7] or '0')
-- Messages to this side up to a seq: those sent by a, or the others.
local function received(seq, sent)
  return side == '1' and sent or seq - sent
end
-- What is unread when the first `count` of them are read; none that was deleted unread.
local function recount(count)
  return math.max(0, received(last, tonumber(meta[4])) - count - redis.call('ZCARD', KEYS[6]))
end
if meta[1] == meta[2] then
  return {1, 0}
end
if upto <= (reading and read or delivered) then
  local truth = reading and recount(tonumber(meta[9] or '0')) or unread
  if truth ~= unread then
    redis.call('HSET', KEYS[1], 'n' .. side, truth)
  end
  return {1, truth}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(ARGV[4]) > tonumber(ARGV[5]) then
  return {3}
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[7]) then
  return {2}
end
local created, sent = string.match(redis.call('HGET', KEYS[2], upto), '^(%d+)|%d+|%d+|%d|(%d+)|')
local count, stamp = received(upto, tonumber(sent)), string.format('%.0f', now)
local before = tonumber(meta[reading and 9 or 8] or '0')
if upto > delivered then
  redis.call('XADD', KEYS[4], upto .. '-1', 't', stamp)
  redis.call('HSET', KEYS[1], 'd' .. side, upto, 'c' .. side, count)
end
if reading then
  redis.call('XADD', KEYS[5], upto .. '-1', 't', stamp)
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', upto)
  unread = recount(count)
  redis.call('HSET', KEYS[1], 'r' .. side, upto, 'm' .. side, count, 'n' .. side, unread)
end
if count <= before then
  return {4, unread, 0}
end
local number = tonumber(meta[5] or '0') + 1
local text = table.concat({reading and 'read' or 'received', side, upto, math.floor(tonumber(created) / 1000), stamp, unread,
  ARGV[6]}, '|')
redis.call('HSET', KEYS[1], 'e', number, 'u', stamp)
redis.call('ZADD', KEYS[3], number, number .. '|' .. text)
local reply = redis.call('ZRANGE', KEYS[3], 0, tonumber(ARGV[8]) - 1)
table.insert(reply, 1, 4)
table.insert(reply, 2, unread)
table.insert(reply, 3, number)
return reply
