#!lua
-- Lists sources that were registered a while ago, the oldest first.
-- KEYS[1]  ZSET  source -> ms since 1970 when it was last registered
-- ARGV[1]  ms that must have passed
-- ARGV[2]  ms since 1970: none that was registered before
-- ARGV[3]  sources to list
-- Returns {now, source, registered, source, registered, ...}, times in ms since 1970
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], string.format('%.0f', now - tonumber(ARGV[1])), 'WITHSCORES',
  'LIMIT', 0, ARGV[3])
table.insert(due, 1, now)
return due
