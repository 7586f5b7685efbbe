#!lua
-- Puts letters into the queue of what goes out, each once, whoever repeats it.
-- KEYS[1]  STREAM  the queue: `l` sealed letter, `t` ms when it was first queued, `n` tries so far
-- KEYS[2]  ZSET    `<t>|<n>|<l>` of letters to try again -> ms when
-- KEYS[3]  HASH    source -> highest intent queued
-- KEYS[4]  HASH    the same of sources that told something earlier
-- ARGV[1]  source of the letters
-- ARGV[2]  letters that may wait
-- ARGV[3]  sources in a hash; a full one becomes the earlier one, whose sources are forgotten
-- ARGV[4..]  intent, sealed letter, intent, sealed letter, ...
-- Returns -1: too many wait · n: letters queued
if redis.call('XLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2]) + (#ARGV - 3) / 2 > tonumber(ARGV[2]) then
  return -1
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local applied = redis.call('HGET', KEYS[3], ARGV[1]) or redis.call('HGET', KEYS[4], ARGV[1])
applied = tonumber(applied or '0')
local queued = 0
for i = 4, #ARGV, 2 do
  local intent = tonumber(ARGV[i])
  if intent > applied then
    redis.call('XADD', KEYS[1], '*', 'l', ARGV[i + 1], 't', now, 'n', '0')
    applied = intent
    queued = queued + 1
  end
end
if queued > 0 then
  redis.call('HSET', KEYS[3], ARGV[1], string.format('%.0f', applied))
  if redis.call('HLEN', KEYS[3]) > tonumber(ARGV[3]) then
    redis.call('RENAME', KEYS[3], KEYS[4])
  end
end
return queued
