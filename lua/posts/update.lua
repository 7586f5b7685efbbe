#!lua
-- Changes what a post says, for its author.
-- KEYS[1]  HASH  the post
-- ARGV[1]  who changes it
-- ARGV[2..]  field, value, field, value, ...
-- Returns 0: no such post · 1: somebody else's · 2: changed
local author = redis.call('HGET', KEYS[1], 'u')
if not author then
  return 0
end
if author ~= ARGV[1] then
  return 1
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'm', now, unpack(ARGV, 2))
return 2
