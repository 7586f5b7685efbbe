#!lua
-- Follows a short link: counts the attempt and says where to go, in one step with the link's state.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- ARGV[1]  newest events to keep
-- ARGV[2]  seconds that the events live after the last one
-- ARGV[3]  HTTP method
-- ARGV[4]  IP address, as it is stored
-- ARGV[5]  referrer's host, or ''
-- ARGV[6]  class of the user agent
-- Returns the long URL: open, counted as reached · {method}: protected, counted as refused · nil: no such link
local link = redis.call('HMGET', KEYS[1], 'u', 'm', 'a')
local url, method = link[1], link[2]
if not url then
  return nil
end
redis.call('HINCRBY', KEYS[1], method and 'f' or 'k', 1)
if link[3] then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'm', method or 'NONE', 's', method and '0' or '1',
    'h', ARGV[3], 'i', ARGV[4], 'r', ARGV[5], 'a', ARGV[6])
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
if method then
  return {method}
end
return url
