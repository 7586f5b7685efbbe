#!lua
-- Puts letters into a queue of what goes out, each once, whoever repeats it.
-- KEYS[1]  STREAM  the queue: `l` sealed letter, `t` ms when it was first queued, `n` tries so far
-- KEYS[2]  ZSET    `<t>|<n>|<l>` of letters to try again -> ms when
-- KEYS[3]  HASH    source -> highest intent queued
-- KEYS[4]  HASH    the same of sources that told something earlier
-- ARGV[1]  source of the letters
-- ARGV[2]  letters that may wait
-- ARGV[3]  sources in a hash; a full one becomes the earlier one, whose sources are forgotten
-- ARGV[4]  '1': letters for which there is no room are dropped, '0': they are refused
-- ARGV[5..]  intent, sealed letter, intent, sealed letter, ...
-- Returns {-1, n}: n were queued, and too many wait for the rest · {dropped, n}: n were queued
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local applied = redis.call('HGET', KEYS[3], ARGV[1]) or redis.call('HGET', KEYS[4], ARGV[1])
local before = tonumber(applied or '0')
local last = before
local room = tonumber(ARGV[2]) - redis.call('XLEN', KEYS[1]) - redis.call('ZCARD', KEYS[2])
local queued, dropped = 0, 0
for i = 5, #ARGV, 2 do
  local intent = tonumber(ARGV[i])
  if intent > last then
    if queued < room then
      redis.call('XADD', KEYS[1], '*', 'l', ARGV[i + 1], 't', now, 'n', '0')
      queued = queued + 1
    elseif ARGV[4] == '1' then
      dropped = dropped + 1
    else
      dropped = -1
      break
    end
    last = intent
  end
end
if last > before then
  redis.call('HSET', KEYS[3], ARGV[1], string.format('%.0f', last))
  if redis.call('HLEN', KEYS[3]) > tonumber(ARGV[3]) then
    redis.call('RENAME', KEYS[3], KEYS[4])
  end
end
return {dropped, queued}
