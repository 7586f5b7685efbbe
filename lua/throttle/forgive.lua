#!lua
-- Takes back one counted guess and the wait it caused.
-- KEYS[1]  HASH  {fails, next}, see begin.lua
-- Returns 0: nothing was counted · 1: taken back
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if redis.call('HINCRBY', KEYS[1], 'fails', -1) <= 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('HDEL', KEYS[1], 'next')
end
return 1
