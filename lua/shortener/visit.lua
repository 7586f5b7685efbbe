#!lua
-- Follows a short link: counts the attempt and says where to go, in one step with the link's state.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- ARGV[1]  the attempt, JSON {keep, ttl, h, i, r, a}: newest events to keep, seconds that they live after the last
--          one, HTTP method, IP address as stored, referrer's host, class of the user agent; read only when the
--          link records its attempts
-- ARGV[2]  ms since 1970 when the link was entered among those with untold clicks; absent unless just asked for
-- ARGV[3]  ms for which that is good
-- Returns the long URL: open, counted as reached · {method}: protected, counted as refused · nil: no such link ·
--   1: nothing was counted: its owner wants mail and no click is untold, so enter the link and call again ·
--   2: the same, and its owner has never been told
local link = redis.call('HMGET', KEYS[1], 'u', 'm', 'a', 'e')
local url, method = link[1], link[2]
if not url then
  return nil
end
if link[4] and not method then
  local told = redis.call('HMGET', KEYS[1], 'n', 'l')
  if (told[1] or '0') == '0' then
    local time = redis.call('TIME')
    if time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[2] or '0') > tonumber(ARGV[3] or '0') then
      return told[2] and 1 or 2
    end
  end
  redis.call('HINCRBY', KEYS[1], 'n', 1)
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
