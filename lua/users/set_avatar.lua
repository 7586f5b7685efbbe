#!lua
-- Gives a user another picture.
-- KEYS[1]  HASH  the profile
-- ARGV[1]  URL path of the picture, or empty for none
-- Returns {0}: no such user · {1, before}: changed, and the path before, or empty
local username, before = unpack(redis.call('HMGET', KEYS[1], 'username', 'avatar'))
if not username then
  return {0}
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'avatar', ARGV[1], 'updated', now)
return {1, before or ''}
