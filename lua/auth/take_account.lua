#!lua
-- Takes a closed account whose time has run out: from now on nobody brings it back, and what it owns can be purged.
-- KEYS[1]  HASH  the account
-- Returns 0: no such account · 1: it is open · 2: it can still be brought back · 3: taken, or was before
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local gen, ends, purging = unpack(redis.call('HMGET', KEYS[1], 'gen', 'until', 'purging'))
if purging then
  return 3
end
if tonumber(gen or '0') % 2 == 0 then
  return 1
end
local time = redis.call('TIME')
if tonumber(ends) > time[1] * 1000 + math.floor(time[2] / 1000) then
  return 2
end
redis.call('HSET', KEYS[1], 'purging', '1')
return 3
