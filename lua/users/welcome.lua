#!lua
-- Writes the profile of a user who signs in for the first time; of any other it changes nothing.
-- KEYS[1]  HASH  the profile
-- ARGV[1]  ms since 1970 when the account was made
-- ARGV[2]  username
-- ARGV[3]  e-mail address
-- Returns {0, username}: it was there, and the name in it · {1, username}: written
local username = redis.call('HGET', KEYS[1], 'username')
if username then
  return {0, username}
end
redis.call('HSET', KEYS[1], 'created', ARGV[1], 'updated', ARGV[1], 'username', ARGV[2], 'email', ARGV[3])
return {1, ARGV[2]}
