#!lua
-- Registers a source that is about to leave intents, so that somebody looks after them if we cannot.
-- KEYS[1]  ZSET  source -> ms since 1970 when it was last registered
-- ARGV[1]  source
-- Returns when the lease began, in ms since 1970: now, but never when one of the source began before, so that nobody takes
--   another's for his own
local time = redis.call('TIME')
local before = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), before + 1)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
return now
