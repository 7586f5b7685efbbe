#!lua
-- Notes in a profile which name its user is about to take: the claim on it has a use from now on.
-- KEYS[1]  HASH  the profile
-- ARGV[1]  the new name
-- Returns 0: no such user · 1: noted
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'renaming', ARGV[1])
return 1
