#!lua
-- Notes in a profile that its address has been proven to be the user's.
-- KEYS[1]  HASH  the profile
-- Returns 0: no such user · 1: noted
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'verified', '1')
return 1
