#!lua
-- Takes a token that proves an address; every token of its kind ends with it.
-- KEYS[1]  HASH  the account
-- KEYS[2]  ZSET  digests of tokens, see issue_proof.lua
-- ARGV[1]  digest of the token presented
-- Returns 0: no such token, or no such account · 1: the address is proven
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0')
if ends <= now or redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('DEL', KEYS[2])
redis.call('HSETNX', KEYS[1], 'verified', string.format('%.0f', now))
return 1
