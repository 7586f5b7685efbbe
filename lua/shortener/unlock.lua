#!lua
-- Settles a try to open a protected link: counts it, and gives the long URL if the key is right. A password was compared
-- outside; a code is compared and its tries are counted here, so no more are compared than it has, however many come at once.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- KEYS[3]  HASH    where the right key is: the link (PASSWORD), the code mailed to an address as in send_code.lua (OTP),
--                  the requests as in ask.lua (APPROVE)
-- ARGV[1]  the attempt, as in visit.lua
-- ARGV[2]  protection that the key is meant for
-- ARGV[3]  PASSWORD: the hash that was compared with · OTP: digest of the code · APPROVE: the request's id
-- ARGV[4]  PASSWORD: '1' if it matched, else '0' · OTP: wrong tries that a code dies of · APPROVE: digest of the grant
-- ARGV[5]  ms since 1970 when the link was entered among those with untold clicks; absent unless just asked for
-- ARGV[6]  ms for which that is good
-- Returns the long URL: right, counted, a code is used up · {method}: wrong, counted; the link's protection ·
--   nil: no such link, or its owner's account is closed · 1, 2: nothing was counted or used up, as in visit.lua ·
--   3: the protection has changed, nothing was counted
local link = redis.call('HMGET', KEYS[1], 'u', 'm', 'a', 'e', 'g', 't', 'z')
local url, method = link[1], link[2]
if not url or link[7] and link[7] % 2 == 1 then
  return nil
end
if not method then
  return 3
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local right = false
if method == ARGV[2] and method == 'PASSWORD' then
  if redis.call('HGET', KEYS[3], 'h') ~= ARGV[3] then
    return 3
  end
  right = ARGV[4] == '1'
elseif method == ARGV[2] and method == 'OTP' then
  local code = redis.call('HMGET', KEYS[3], 'c', 'g')
  local alive = code[1] and code[2] == (link[5] or link[6])
  right = alive and code[1] == ARGV[3]
  if alive and not right and redis.call('HINCRBY', KEYS[3], 'n', 1) >= tonumber(ARGV[4]) then
    redis.call('DEL', KEYS[3])
  end
elseif method == ARGV[2] then
  local stored = redis.call('HGET', KEYS[3], ARGV[3])
  local request = stored and cjson.decode(stored)
  right = request and request.k == ARGV[4] and request.x > now
end
if right and link[4] then
  local told = redis.call('HMGET', KEYS[1], 'n', 'l')
  if (told[1] or '0') == '0' and now - tonumber(ARGV[5] or '0') > tonumber(ARGV[6] or '0') then
    return told[2] and 1 or 2
  end
  redis.call('HINCRBY', KEYS[1], 'n', 1)
end
if right and method == 'OTP' then
  redis.call('DEL', KEYS[3])
end
redis.call('HINCRBY', KEYS[1], right and 'k' or 'f', 1)
if link[3] then
  local event = cjson.decode(ARGV[1])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', event.keep, '*', 'm', method, 's', right and '1' or '0',
    'h', event.h, 'i', event.i, 'r', event.r, 'a', event.a)
  redis.call('EXPIRE', KEYS[2], event.ttl)
end
return right and url or {method}
