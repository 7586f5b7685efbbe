#!lua
-- Takes a token that proves an address; every token of its kind ends with it. The token was mailed to the address, so who
-- presents it reads its mail; whether he also made the account, a session of it alone can say.
-- KEYS[1]  HASH  the account
-- KEYS[2]  ZSET  digests of tokens, see issue_proof.lua
-- KEYS[3]  HASH  session id -> JSON, see open_session.lua
-- ARGV[1]  digest of the token presented
-- ARGV[2]  id of the session that it came with, or empty
-- Returns 0: no such token, or no such account · 1: the address is proven
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0')
if ends <= now or redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('DEL', KEYS[2])
redis.call('HSETNX', KEYS[1], 'verified', string.format('%.0f', now))
local session = ARGV[2] ~= '' and redis.call('HGET', KEYS[3], ARGV[2])
if session and cjson.decode(session).exp > now then
  redis.call('HSET', KEYS[1], 'owned', '1')
end
return 1
