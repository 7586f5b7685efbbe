#!lua
-- Gives a user the name that was noted before.
-- KEYS[1]  HASH  the profile
-- ARGV[1]  the new name
-- Returns {0}: no such user · {1}: another one is noted by now · {2, before}: it is the user's name, which was before
local username, renaming = unpack(redis.call('HMGET', KEYS[1], 'username', 'renaming'))
if not username then
  return {0}
end
if renaming == ARGV[1] then
  local time = redis.call('TIME')
  local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', KEYS[1], 'username', ARGV[1], 'updated', now)
  redis.call('HDEL', KEYS[1], 'renaming')
elseif username ~= ARGV[1] then
  return {1}
end
return {2, username}
