#!lua
-- Follows a short link: counts the attempt and says where to go, in one step with the link's state.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- ARGV[1]  the attempt, JSON {keep, ttl, h, i, r, a}: newest events to keep, seconds that they live after the last
--          one, HTTP method, IP address as stored, referrer's host, class of the user agent; read only when the
--          link records its attempts
-- Returns the long URL: open, counted as reached · {method}: protected, counted as refused · nil: no such link
local link = redis.call('HMGET', KEYS[1], 'u', 'm', 'a')
local url, method = link[1], link[2]
if not url then
  return nil
end
redis.call('HINCRBY', KEYS[1], method and 'f' or 'k', 1)
if link[3] then
  local event = cjson.decode(ARGV[1])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', event.keep, '*', 'm', method or 'NONE', 's', method and '0' or '1',
    'h', event.h, 'i', event.i, 'r', event.r, 'a', event.a)
  redis.call('EXPIRE', KEYS[2], event.ttl)
end
if method then
  return {method}
end
return url
