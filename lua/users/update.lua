#!lua
-- Changes a profile.
-- KEYS[1]  HASH  the profile
-- ARGV[1..]  field, value, field, value, ...; an empty value removes the field
-- Returns 0: no such user · 1: changed
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'updated', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
return 1
