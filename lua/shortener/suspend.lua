#!lua
-- Suspends a link, or lets it work again, as its owner's account is closed or open.
-- KEYS[1]  HASH  the link
-- ARGV[1]  owner's user id
-- ARGV[2]  generation of the account: odd is closed
-- ARGV[3]  ms since 1970 at which the account had it: what is made later does not go by it
-- ARGV[4]  channel on which changes are told
-- ARGV[5]  the link's code
-- Returns 0: no such link of theirs · 1: made later, or in line with this generation or a later one already · 2: changed
local url, owner, made, gen = unpack(redis.call('HMGET', KEYS[1], 'u', 'o', 't', 'z'))
if not url or owner ~= ARGV[1] then
  return 0
end
if tonumber(made) > tonumber(ARGV[3]) or tonumber(gen or '0') >= tonumber(ARGV[2]) then
  return 1
end
redis.call('HSET', KEYS[1], 'z', ARGV[2])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 2
