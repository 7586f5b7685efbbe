#!lua
-- Puts a user on the list of those who are looked at when their time may have run out.
-- KEYS[1]  ZSET  user -> ms since 1970 when to look
-- ARGV[1]  user id
-- ARGV[2]  ms from now
-- Returns 0: will be looked at sooner · 1: listed
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = now + tonumber(ARGV[2])
local before = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
-- One that is due already may be in the hands of a sweep, which takes off only what it saw: so it has to change.
if before > now and before <= due then
  return 0
end
redis.call('ZADD', KEYS[1], string.format('%.0f', due), ARGV[1])
return 1
