#!lua
-- Says whether a session lives, and notes once a minute that it was used.
-- KEYS[1]  HASH  the account
-- KEYS[2]  HASH  session id -> JSON, see open_session.lua
-- ARGV[1]  session id
-- Returns 0: no such account · 1: no such session · 2: it lives ·
--   more: it lives, and its use was noted at so many microseconds since 1970
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local raw = redis.call('HGET', KEYS[2], ARGV[1])
if not raw then
  return 1
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local session = cjson.decode(raw)
if session.exp <= now then
  redis.call('HDEL', KEYS[2], ARGV[1])
  return 1
end
if now - session.seen > 60000 then
  session.seen = now
  redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(session))
  return time[1] * 1000000 + time[2]
end
return 2
