#!lua
-- Notes whether a link's target is blocked, as the lists of one edition have it.
-- KEYS[1]  HASH  the link
-- ARGV[1]  target that was held against the lists
-- ARGV[2]  the lists' edition, with '!' behind it if they block the target
-- Returns 0: no such link, or it leads elsewhere by now · 1: noted
if redis.call('HGET', KEYS[1], 'u') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'b', ARGV[2])
return 1
