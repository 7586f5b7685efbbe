#!lua
-- Lets a visitor through a link with a grant, or denies it, which ends a grant; and leaves the word to the visitor.
-- KEYS[1]  HASH  the link
-- KEYS[2]  HASH  requests, as in ask.lua
-- KEYS[3]  ZSET  request's id -> ms when asked
-- KEYS[4]  ZSET  request's id -> ms from which on it may give way
-- KEYS[5]  ZSET  what is to be told, `<id>|<text>` by id
-- ARGV[1]  owner's user id
-- ARGV[2]  the request's id
-- ARGV[3]  APPROVED or DENIED
-- ARGV[4]  digest of the grant, if approved
-- ARGV[5]  ms that the grant works
-- ARGV[6]  seconds that requests live after the last change
-- ARGV[7]  the sealed word to the visitor, or '' for none
-- ARGV[8]  ms since 1970 when the link was registered as a source of intents
-- ARGV[9]  ms for which that is good
-- ARGV[10] intents that may wait
-- ARGV[11] intents to return
-- Returns {0}: no such link of the owner · {1}: no such request · {2}: decided like that already ·
--   {3}: registered too long ago · {4}: too many intents wait · {5}: decided, nothing to be told ·
--   {6, id, intents}: decided; the intent left, and the oldest ones
local link = redis.call('HMGET', KEYS[1], 'u', 'o', 'm', 'i')
if not link[1] or link[2] ~= ARGV[1] then
  return {0}
end
local stored = redis.call('HGET', KEYS[2], ARGV[2])
if not stored or link[3] ~= 'APPROVE' then
  return {1}
end
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local request = cjson.decode(stored)
if request.s == ARGV[3] and (request.s == 'DENIED' or request.x > now) then
  return {2}
end
local tells = ARGV[7] ~= ''
if tells and now - tonumber(ARGV[8]) > tonumber(ARGV[9]) then
  return {3}
end
if tells and redis.call('ZCARD', KEYS[5]) >= tonumber(ARGV[10]) then
  return {4}
end
request.s, request.d, request.k, request.x = ARGV[3], now, nil, nil
local ends = now
if ARGV[3] == 'APPROVED' then
  ends = now + tonumber(ARGV[5])
  request.a, request.k, request.x = 0, ARGV[4], ends
end
redis.call('HSET', KEYS[2], ARGV[2], cjson.encode(request))
redis.call('ZADD', KEYS[4], string.format('%.0f', ends), ARGV[2])
for i = 2, 4 do
  redis.call('EXPIRE', KEYS[i], ARGV[6])
end
if not tells then
  return {5}
end
local id = string.format('%.0f', math.max(micros, tonumber(link[4] or '0') + 1))
redis.call('HSET', KEYS[1], 'i', id)
redis.call('ZADD', KEYS[5], id, id .. '|' .. ARGV[7])
return {6, tonumber(id), redis.call('ZRANGE', KEYS[5], 0, ARGV[11] - 1)}
