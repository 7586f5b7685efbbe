#!lua
-- Opens a session of an account, the oldest giving way to it, and makes a new account permanent. The
-- sockets of those that gave way are told.
-- KEYS[1]  HASH  the account
-- KEYS[2]  HASH  session id -> JSON {gen, jti, iat, exp, rot, made, seen, ip, ua}, times in ms
-- ARGV[1]  session id
-- ARGV[2]  jti of the first refresh token
-- ARGV[3]  IP address
-- ARGV[4]  user agent
-- ARGV[5]  ms that the session lives unused
-- ARGV[6]  sessions allowed
-- ARGV[7]  channel of the user
-- Returns {0}: no such account · {1, issued, expires, now}: opened; times of the refresh token in ms, now in
--   microseconds since 1970
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
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
return {1, now, expires, time[1] * 1000000 + time[2]}
