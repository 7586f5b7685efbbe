#!lua
-- Hides a post, or shows it, as its author's account is closed or open.
-- KEYS[1]  HASH  the post
-- ARGV[1]  author's user id
-- ARGV[2]  generation of the account: odd is closed
-- Returns 0: no such post of theirs · n: the generation that holds from now on, which may be a later one
local author, gen = unpack(redis.call('HMGET', KEYS[1], 'u', 'z'))
if author ~= ARGV[1] then
  return 0
end
gen = math.max(tonumber(gen or '0'), tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'z', gen)
return gen
