#!lua
-- Registers a source that is about to leave intents, so that somebody looks after them if we cannot.
-- KEYS[1]  ZSET  source -> ms since 1970 when it was last registered
-- ARGV[1]  source
-- Returns now, in ms since 1970: when the lease began
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('ZADD', KEYS[1], now, ARGV[1])
return tonumber(now)
