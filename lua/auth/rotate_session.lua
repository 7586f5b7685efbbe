#!lua
-- Exchanges a refresh token. Its generation must be the session's, or the one before within the grace time
-- (two tabs, a lost reply); an older one has been stolen or replayed, and ends the session, which
-- its sockets are told.
-- KEYS[1]  HASH  the account
-- KEYS[2]  HASH  session id -> JSON, see open_session.lua
-- ARGV[1]  session id
-- ARGV[2]  generation of the token presented
-- ARGV[3]  jti for the next token
-- ARGV[4]  ms of grace
-- ARGV[5]  ms that the session lives unused
-- ARGV[6]  channel of the user
-- Returns {0}: no such account · {1}: no such session · {2, gen, jti, issued, expires}: rotated ·
--   {3, gen, jti, issued, expires}: the token that is current already · {4, left, now}: reuse, the session has ended,
--   how many others live on, and when this was, in microseconds since 1970
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {0}
end
local raw = redis.call('HGET', KEYS[2], ARGV[1])
if not raw then
  return {1}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local session = cjson.decode(raw)
if session.exp <= now then
  redis.call('HDEL', KEYS[2], ARGV[1])
  return {1}
end
local presented = tonumber(ARGV[2])
if presented == session.gen - 1 and now - session.rot <= tonumber(ARGV[4]) then
  return {3, session.gen, session.jti, session.iat, session.exp}
end
if presented ~= session.gen then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('PUBLISH', ARGV[6], 'revoked ' .. ARGV[1])
  local left = 0
  for _, other in ipairs(redis.call('HVALS', KEYS[2])) do
    left = left + (cjson.decode(other).exp > now and 1 or 0)
  end
  return {4, left, time[1] * 1000000 + time[2]}
end
session.gen = session.gen + 1
session.jti = ARGV[3]
session.iat = now
session.exp = now + tonumber(ARGV[5])
session.rot = now
session.seen = now
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(session))
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return {2, session.gen, session.jti, session.iat, session.exp}
