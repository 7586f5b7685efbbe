#!lua
-- Settles a try to open a protected link whose password was compared outside: counts it, and gives the
-- long URL if it was right and the protection is still the one that was compared with.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- ARGV[1]  the attempt, as in visit.lua
-- ARGV[2]  password hash that was compared with
-- ARGV[3]  '1': it matched, '0': it did not
-- Returns the long URL: right · 1: wrong, counted · 2: the protection has changed, nothing was counted · nil: no such link
local link = redis.call('HMGET', KEYS[1], 'u', 'm', 'a', 'h')
local url, method = link[1], link[2]
if not url then
  return nil
end
if link[4] ~= ARGV[2] or not method then
  return 2
end
local right = ARGV[3] == '1'
redis.call('HINCRBY', KEYS[1], right and 'k' or 'f', 1)
if link[3] then
  local event = cjson.decode(ARGV[1])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', event.keep, '*', 'm', method, 's', ARGV[3],
    'h', event.h, 'i', event.i, 'r', event.r, 'a', event.a)
  redis.call('EXPIRE', KEYS[2], event.ttl)
end
return right and url or 1
