#!lua
-- Compares a guess with a phone number's code. It is counted first, so that of any number of guesses at once no more are
-- compared than one code allows; a right one spends the code.
-- KEYS[1]  HASH    {digest, tries}, see issue_code.lua
-- KEYS[2]  STRING  wrong guesses at the number's codes since the first one of this day
-- KEYS[3]  HASH    waits between the number's codes, see throttle/begin.lua; forgotten when somebody proves to have it
-- ARGV[1]  digest of the guess
-- ARGV[2]  guesses that a code stands
-- ARGV[3]  wrong guesses a day, over all codes
-- ARGV[4]  ms of such a day
-- Returns {0}: there is no code · {1, n}: too many wrong guesses, come back in n ms · {2}: wrong · {3}: right
local code = redis.call('HGET', KEYS[1], 'digest')
if not code then
  return {0}
end
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[3]) then
  return {1, redis.call('PTTL', KEYS[2])}
end
local tries = redis.call('HINCRBY', KEYS[1], 'tries', 1)
if code == ARGV[1] then
  redis.call('DEL', KEYS[1], KEYS[3])
  return {3}
end
if tries >= tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[1])
end
if redis.call('INCR', KEYS[2]) == 1 then
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return {2}
