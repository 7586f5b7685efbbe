#!lua
-- Lists users whose time may have run out.
-- KEYS[1]  ZSET  user -> ms since 1970 when to look
-- ARGV[1]  users to list
-- Returns {user, due, user, due, ...}
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
