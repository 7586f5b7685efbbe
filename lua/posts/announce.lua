#!lua
-- Gives a new post its id and, with it, the newest place in the feed: ids of posts are those of ObjectIds whose counter
-- is the microsecond, and no two posts have the same time.
-- KEYS[1]  ZSET  post id -> microseconds of its id
-- ARGV[1]  ten random hex characters
-- ARGV[2]  newest posts to keep in the feed
-- Returns the id
local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
local time = redis.call('TIME')
local stamp = math.max(time[1] * 1000000 + time[2], (tonumber(newest[2]) or 0) + 1)
local micros = stamp % 1000000
local id = string.format('%08x%s%06x', (stamp - micros) / 1000000, ARGV[1], micros)
redis.call('ZADD', KEYS[1], string.format('%.0f', stamp), id)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -tonumber(ARGV[2]) - 1)
return id
