#!lua
-- Opens a session of an account, the oldest giving way to it, and makes a new account permanent. The
-- sockets of those that gave way are told. Leaves a notice: one with a token to verify the address whenever it is given
-- one, any other only if the account has signed in before, and never from this device.
-- KEYS[1]  HASH  the account; `i` is the id of the last notice left
-- KEYS[2]  HASH  session id -> JSON {gen, jti, iat, exp, rot, made, seen, ip, ua}, times in ms
-- KEYS[3]  ZSET  digests of devices, by when they signed in last, in ms
-- KEYS[4]  ZSET  digests of tokens that verify the address, see issue_proof.lua
-- KEYS[5]  ZSET  notices `<id>|<sealed>`, by id
-- ARGV[1]  session id
-- ARGV[2]  jti of the first refresh token
-- ARGV[3]  IP address
-- ARGV[4]  user agent
-- ARGV[5]  ms that the session lives unused
-- ARGV[6]  sessions allowed
-- ARGV[7]  channel of the user
-- ARGV[8]  digest of the device
-- ARGV[9]  ms that a device is remembered
-- ARGV[10] devices remembered
-- ARGV[11] digest of the token in the notice, or empty
-- ARGV[12] ms that the token lives
-- ARGV[13] hash of the password that opens it, or empty
-- ARGV[14] the sealed notice
-- ARGV[15] ms since 1970 when the account was registered as a source of notices
-- ARGV[16] ms for which that is good
-- ARGV[17] notices that may wait
-- ARGV[18] notices to return
-- Returns {0}: no such account, or not with that password any more · {1}: registered too long ago · {2}: too many notices
--   wait · {4}: the account is closed · {3, issued, expires, now, id, notices}: opened; times of the refresh token in ms,
--   now in microseconds since 1970, the id of the notice left, or 0, and the oldest ones
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
if ARGV[13] ~= '' and redis.call('HGET', KEYS[1], 'password') ~= ARGV[13] then
  return {0}
end
if tonumber(redis.call('HGET', KEYS[1], 'gen') or '0') % 2 == 1 then
  return {4}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - tonumber(ARGV[9]))
local returns = redis.call('HEXISTS', KEYS[1], 'login') == 1
local tells = ARGV[11] ~= '' or returns and not redis.call('ZSCORE', KEYS[3], ARGV[8])
if tells and now - tonumber(ARGV[15]) > tonumber(ARGV[16]) then
  return {1}
end
if tells and redis.call('ZCARD', KEYS[5]) >= tonumber(ARGV[17]) then
  return {2}
end
redis.call('ZADD', KEYS[3], string.format('%.0f', now), ARGV[8])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[10]))
redis.call('PEXPIRE', KEYS[3], ARGV[9])
local live = {}
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local session = cjson.decode(all[i + 1])
  if session.exp <= now then
    redis.call('HDEL', KEYS[2], all[i])
  else
    live[#live + 1] = {all[i], session.made}
  end
end
table.sort(live, function(a, b) return a[2] < b[2] end)
for i = 1, #live - tonumber(ARGV[6]) + 1 do
  redis.call('HDEL', KEYS[2], live[i][1])
  redis.call('PUBLISH', ARGV[7], 'revoked ' .. live[i][1])
end
local expires = now + tonumber(ARGV[5])
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode({
  gen = 1, jti = ARGV[2], iat = now, exp = expires, rot = 0, made = now, seen = now, ip = ARGV[3], ua = ARGV[4],
}))
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[1], 'login', string.format('%.0f', now))
if ARGV[11] ~= '' then
  redis.call('ZADD', KEYS[4], string.format('%.0f', now + tonumber(ARGV[12])), ARGV[11])
  redis.call('PEXPIRE', KEYS[4], ARGV[12])
end
local at_us = time[1] * 1000000 + time[2]
if not tells then
  return {3, now, expires, at_us, 0, {}}
end
local id = math.max(at_us, tonumber(redis.call('HGET', KEYS[1], 'i') or '0') + 1)
local at = string.format('%.0f', id)
redis.call('HSET', KEYS[1], 'i', at)
redis.call('ZADD', KEYS[5], at, at .. '|' .. ARGV[14])
return {3, now, expires, at_us, id, redis.call('ZRANGE', KEYS[5], 0, ARGV[18] - 1)}
