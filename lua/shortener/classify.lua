#!lua
-- Notes whether the page behind a link is safe for work.
-- KEYS[1]  HASH  the link
-- ARGV[1]  target that was judged
-- ARGV[2]  '1': safe, '0': not
-- ARGV[3]  channel on which changes are told
-- ARGV[4]  the link's code
-- Returns 0: no such link, or it leads elsewhere by now · 1: its maker has said it himself, or it is known · 2: noted
local link = redis.call('HMGET', KEYS[1], 'u', 's', 'j')
if link[1] ~= ARGV[1] then
  return 0
end
if link[2] or link[3] then
  return 1
end
redis.call('HSET', KEYS[1], 'j', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 2
