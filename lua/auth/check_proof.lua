#!lua
-- Says whether a token would be taken. It stays as it is.
-- KEYS[1]  HASH  the account
-- KEYS[2]  ZSET  digests of tokens, see issue_proof.lua
-- ARGV[1]  digest of the token presented
-- Returns 0: no · 1: yes
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0')
return ends > now and redis.call('EXISTS', KEYS[1]) or 0
