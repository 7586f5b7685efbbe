#!lua
-- Hides a profile, or shows it, as its account is closed or open.
-- KEYS[1]  HASH  the profile
-- ARGV[1]  generation of the account: odd is closed
-- Returns {}: no profile · {generation, username, avatar}: the one that holds from now on, which may be a later one
local gen, username, avatar = unpack(redis.call('HMGET', KEYS[1], 'gen', 'username', 'avatar'))
if not username then
  return {}
end
gen = math.max(tonumber(gen or '0'), tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'gen', gen)
return {gen, username, avatar or ''}
