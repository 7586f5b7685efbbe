#!lua
-- Writes a new account that lapses unless its first session confirms it.
-- KEYS[1]  HASH  the account
-- ARGV[1]  ms after which an unconfirmed account lapses
-- ARGV[2..]  field, value, field, value, ...; an empty value stands for now, in ms since 1970; `created` is added
-- Returns 0: the id is in use · n: written at n, in ms since 1970
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = string.format('%.0f', now)
redis.call('HSET', KEYS[1], 'created', at)
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] ~= '' and ARGV[i + 1] or at)
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return now
