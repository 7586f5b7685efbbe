#!lua
-- Reserves a file for one message that is about to refer to it. Until then nothing does, and it is in doubt.
-- KEYS[1]  HASH  files in doubt: object -> '1': a message may come to refer to it · '0': none does, and none will
-- ARGV[1]  object
-- ARGV[2]  when it was registered, ms; ARGV[3] how old that may be, ms
-- Returns 0: registered too long ago · 1: reserved
local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[2]) > tonumber(ARGV[3]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], '1')
return 1
