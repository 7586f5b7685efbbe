#!lua
-- Registers a source anew for whoever saw it last, so that of several who saw it one works on.
-- KEYS[1]  ZSET  source -> ms since 1970 when it was last registered
-- ARGV[1]  source
-- ARGV[2]  when it was registered, as one saw it
-- Returns 0: registered again since, or gone · n: when it is registered from now on, which is not when it was
local seen = tonumber(ARGV[2])
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0') ~= seen then
  return 0
end
local time = redis.call('TIME')
local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), seen + 1)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
return now
