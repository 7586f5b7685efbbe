#!lua
-- Asks a link's owner for access, and leaves the word to the owner, if there is one. Who waits for an answer, has a grant that works, or was
-- denied too recently or too often asks in vain, and nobody is told.
-- KEYS[1]  HASH  the link
-- KEYS[2]  HASH  requests: id -> JSON {e: address, r: reason or '', s: PENDING, APPROVED or DENIED, t: ms when asked,
--                d: ms when decided, a: times asked since the last approval, k: digest of the grant, x: ms when it ends}
-- KEYS[3]  ZSET  request's id -> ms when asked
-- KEYS[4]  ZSET  request's id -> ms from which on it may give way: it is denied, or its grant has ended
-- KEYS[5]  ZSET  what is to be told, `<id>|<text>` by id
-- ARGV[1]  the request's id, always the same for an address
-- ARGV[2]  the address
-- ARGV[3]  the reason, or ''
-- ARGV[4]  the sealed word to the owner, or '' for none
-- ARGV[5]  requests to keep
-- ARGV[6]  ms after a denial before which asking is in vain
-- ARGV[7]  times that an address may ask
-- ARGV[8]  seconds that requests live after the last change
-- ARGV[9]  ms since 1970 when the link was registered as a source of intents
-- ARGV[10] ms for which that is good
-- ARGV[11] intents that may wait
-- ARGV[12] intents to return
-- Returns {0}: no such link, or its owner's account is closed · {1}: not protected by APPROVE · {2}: registered too long ago · {3}: too many intents wait ·
--   {4}: too many requests, none of which may give way · {5}: asked in vain · {6, id, intents}: asked; the intent left, and
--   the oldest ones · {7}: asked, nothing to be told
local link = redis.call('HMGET', KEYS[1], 'u', 'm', 'i', 'z')
if not link[1] or link[4] and link[4] % 2 == 1 then
  return {0}
end
if link[2] ~= 'APPROVE' then
  return {1}
end
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local stored = redis.call('HGET', KEYS[2], ARGV[1])
local request = stored and cjson.decode(stored) or {a = 0}
local denied = request.s == 'DENIED' and (now - request.d < tonumber(ARGV[6]) or request.a >= tonumber(ARGV[7]))
if request.s == 'PENDING' or denied or (request.s == 'APPROVED' and request.x > now) then
  return {5}
end
local tells = ARGV[4] ~= ''
if tells and now - tonumber(ARGV[9]) > tonumber(ARGV[10]) then
  return {2}
end
if tells and redis.call('ZCARD', KEYS[5]) >= tonumber(ARGV[11]) then
  return {3}
end
if not stored and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[5]) then
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', string.format('%.0f', now), 'LIMIT', 0, 1)[1]
  if not oldest then
    return {4}
  end
  redis.call('HDEL', KEYS[2], oldest)
  redis.call('ZREM', KEYS[3], oldest)
  redis.call('ZREM', KEYS[4], oldest)
end
request = {e = ARGV[2], r = ARGV[3], s = 'PENDING', t = now, a = request.a + 1}
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(request))
redis.call('ZADD', KEYS[3], string.format('%.0f', now), ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
for i = 2, 4 do
  redis.call('EXPIRE', KEYS[i], ARGV[8])
end
if not tells then
  return {7}
end
local id = string.format('%.0f', math.max(micros, tonumber(link[3] or '0') + 1))
redis.call('HSET', KEYS[1], 'i', id)
redis.call('ZADD', KEYS[5], id, id .. '|' .. ARGV[4])
return {6, tonumber(id), redis.call('ZRANGE', KEYS[5], 0, ARGV[12] - 1)}
