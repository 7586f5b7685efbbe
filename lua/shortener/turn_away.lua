#!lua
-- Counts a try that was answered before anybody looked at it, without recording it: those who try too often must not fill the
-- link's events.
-- KEYS[1]  HASH  the link
-- Returns 0: no such link, or its owner's account is closed · 1: counted as refused
local link = redis.call('HMGET', KEYS[1], 'u', 'z')
if not link[1] or link[2] and link[2] % 2 == 1 then
  return 0
end
redis.call('HINCRBY', KEYS[1], 'f', 1)
return 1
