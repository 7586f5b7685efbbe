#!lua
-- Puts letters whose time to be tried again has come back into the queue, and says how it stands.
-- KEYS[1]  STREAM  the queue, see enqueue.lua
-- KEYS[2]  ZSET    letters to try again
-- KEYS[3]  STREAM  letters given up
-- ARGV[1]  letters at most
-- Returns {woken, waiting, given up, age}: letters, and the age of the first that waits, in ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do
  local since, tries, letter = string.match(member, '^(%d+)|(%d+)|(.*)$')
  redis.call('XADD', KEYS[1], '*', 'l', letter, 't', since, 'n', tries)
  redis.call('ZREM', KEYS[2], member)
end
local oldest = now
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if first then
  oldest = math.min(oldest, tonumber(first[2][4]))
end
local later = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
if later then
  oldest = math.min(oldest, tonumber(string.match(later, '^%d+')))
end
return {#due, redis.call('XLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2]), redis.call('XLEN', KEYS[3]), now - oldest}
