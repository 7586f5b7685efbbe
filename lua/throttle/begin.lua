#!lua
-- Counts a guess and says whether it may be evaluated now.
-- KEYS[1]  HASH  {fails, next}: guesses counted, and the time in ms before which none is evaluated
-- ARGV[1]  guesses without a wait
-- ARGV[2]  ms of the first wait; it doubles with every further guess
-- ARGV[3]  ms of the longest wait
-- ARGV[4]  ms of quiet after which all is forgotten
-- Returns 0: evaluate it, it is counted · n: not counted, come back in n ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', KEYS[1], 'fails', 'next')
local wait = tonumber(state[2] or '0') - now
if wait > 0 then
  return wait
end
local fails = redis.call('HINCRBY', KEYS[1], 'fails', 1)
local over = fails - tonumber(ARGV[1])
if over > 0 then
  local pause = math.min(tonumber(ARGV[2]) * 2 ^ math.min(over - 1, 30), tonumber(ARGV[3]))
  redis.call('HSET', KEYS[1], 'next', string.format('%.0f', now + pause))
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 0
