#!lua
-- Writes the profile of a user who signs in for the first time; in any other it notes at most that the address is proven.
-- KEYS[1]  HASH  the profile
-- ARGV[1]  ms since 1970 when the account was made
-- ARGV[2]  username
-- ARGV[3]  e-mail address; empty when the account has none
-- ARGV[4]  1 when the address has been proven to be the user's, else 0
-- Returns {0, username}: it was there, and the name in it · {1, username}: written
local username = redis.call('HGET', KEYS[1], 'username')
if not username then
  redis.call('HSET', KEYS[1], 'created', ARGV[1], 'updated', ARGV[1], 'username', ARGV[2], 'email', ARGV[3])
end
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], 'verified', '1')
end
return {username and 0 or 1, username or ARGV[2]}
