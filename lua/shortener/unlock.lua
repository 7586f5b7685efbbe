#!lua
-- Settles a try to open a protected link whose password was compared outside: counts it, and gives the
-- long URL if it was right and the protection is still the one that was compared with.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- ARGV[1..6]  as in visit.lua
-- ARGV[7]  password hash that was compared with
-- ARGV[8]  '1': it matched, '0': it did not
-- Returns the long URL: right · 1: wrong, counted · 2: the protection has changed, nothing was counted · nil: no such link
local link = redis.call('HMGET', KEYS[1], 'u', 'm', 'a', 'h')
local url, method = link[1], link[2]
if not url then
  return nil
end
if link[4] ~= ARGV[7] or not method then
  return 2
end
local right = ARGV[8] == '1'
redis.call('HINCRBY', KEYS[1], right and 'k' or 'f', 1)
if link[3] then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'm', method, 's', ARGV[8],
    'h', ARGV[3], 'i', ARGV[4], 'r', ARGV[5], 'a', ARGV[6])
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
return right and url or 1
