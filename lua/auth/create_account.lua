#!lua
-- Writes a new account that lapses unless its first session confirms it.
-- KEYS[1]  HASH  the account
-- ARGV[1]  ms after which an unconfirmed account lapses
-- ARGV[2..]  field, value, field, value, ...; `created` and `seen` are added from the server's clock
-- Returns 0: the id is in use · 1: written
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'created', now, 'seen', now, unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
