#!lua
-- Follows a short link: counts the attempt and says where to go, in one step with the link's state.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- ARGV[1]  the attempt, JSON {keep, ttl, h, i, r, a}: newest events to keep, seconds that they live after the last
--          one, HTTP method, IP address as stored, referrer's host, class of the user agent; read only when the
--          link records its attempts
-- ARGV[2]  '1': who visits can be shown a notice, '0': it would be lost on him
-- ARGV[3]  edition of the lists of blocked hosts, or '' when no host is blocked
-- ARGV[4]  ms since 1970 when the link was entered among those with untold clicks; absent unless just asked for
-- ARGV[5]  ms for which that is good
-- Returns the long URL: open, counted as reached · {method}: protected, counted as refused · nil: no such link, or its
--   owner's account is closed · 1: nothing was counted: its owner wants mail and no click is untold, so enter the link
--   and call again · 2: the same, and its owner has never been told · 4: not safe for work, counted as refused ·
--   5: blocked, counted as refused ·
--   {edition, url}: nobody has held the target against these lists, nothing was counted: see vet.lua
local link = redis.call('HMGET', KEYS[1], 'u', 'm', 'a', 'e', 's', 'j', 'b', 'z')
local url, method = link[1], link[2]
if not url or link[8] and link[8] % 2 == 1 then
  return nil
end
local blocked = ARGV[3] ~= '' and link[7] == ARGV[3] .. '!'
if ARGV[3] ~= '' and not blocked and link[7] ~= ARGV[3] then
  return {ARGV[3], url}
end
local notice = not blocked and not method and ARGV[2] == '1' and (link[5] or link[6]) == '0'
local reached = not (blocked or method or notice)
if link[4] and reached then
  local told = redis.call('HMGET', KEYS[1], 'n', 'l')
  if (told[1] or '0') == '0' then
    local time = redis.call('TIME')
    if time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[4] or '0') > tonumber(ARGV[5] or '0') then
      return told[2] and 1 or 2
    end
  end
  redis.call('HINCRBY', KEYS[1], 'n', 1)
end
redis.call('HINCRBY', KEYS[1], reached and 'k' or 'f', 1)
if link[3] then
  local event = cjson.decode(ARGV[1])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', event.keep, '*', 'm', method or 'NONE', 's', reached and '1' or '0',
    'h', event.h, 'i', event.i, 'r', event.r, 'a', event.a)
  redis.call('EXPIRE', KEYS[2], event.ttl)
end
if blocked or notice then
  return blocked and 5 or 4
end
if method then
  return {method}
end
return url
