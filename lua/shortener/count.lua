#!lua
-- Counts clicks that a node has answered from what it remembers, each position of its journal once. Most calls have but the first
-- key and five arguments: there are many of them.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events, with ARGV[6]
-- KEYS[3]  HASH    its tallies, with ARGV[6]
-- ARGV[1]  the field of the journal's writer: '@' and its id
-- ARGV[2]  position of the first click, microseconds since 1970 or a little later
-- ARGV[3]  position of the last one
-- ARGV[4]  when the link was made that was clicked, ms since 1970
-- ARGV[5]  clicks
-- ARGV[6]  events and tallies, or absent or '' for none: JSON {keep, ttl, list, tallies_ttl, tallies}: the list of {t, h, i, r, a} is
--          as in visit.lua, and t ms since 1970; tallies are field, by, field, by, ...
-- ARGV[7]  ms since 1970 when the link was entered among those with untold clicks; absent unless just asked for
-- ARGV[8]  ms for which that is good
-- Returns 0: it is no link any more, or another one: nothing to count · 1, 2: nothing was counted yet, as in visit.lua ·
--   3: counted · 4: all of this had been counted · 5: a part of this had been, nothing was counted now ·
--   6: counted, and its tallies want trimming
local writer = ARGV[1]
local link = redis.call('HMGET', KEYS[1], 't', 'k', writer, 'e')
if link[1] ~= ARGV[4] then
  return 0
end
local clicks, first = tonumber(ARGV[5]), tonumber(ARGV[2])
local before = tonumber(link[3] or '0')
if before >= first then
  return before >= tonumber(ARGV[3]) and 4 or 5
end
if link[4] and clicks > 0 then
  local told = redis.call('HMGET', KEYS[1], 'n', 'l')
  if (told[1] or '0') == '0' then
    local time = redis.call('TIME')
    if time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[7] or '0') > tonumber(ARGV[8] or '0') then
      return told[2] and 1 or 2
    end
  end
  redis.call('HINCRBY', KEYS[1], 'n', clicks)
end
if not link[3] then
  -- A new writer: those that have been silent for 30 days have nothing left to count.
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 1) == '@' and first - redis.call('HGET', KEYS[1], field) > 2592000000000 then
      redis.call('HDEL', KEYS[1], field)
    end
  end
end
redis.call('HSET', KEYS[1], 'k', string.format('%.0f', tonumber(link[2] or '0') + clicks), writer, ARGV[3])
if (ARGV[6] or '') == '' then
  return 3
end
local recorded = cjson.decode(ARGV[6])
for _, event in ipairs(recorded.list) do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', recorded.keep, '*', 't', event.t, 'm', 'NONE', 's', '1', 'h', event.h,
    'i', event.i, 'r', event.r, 'a', event.a)
end
if #recorded.list > 0 then
  redis.call('EXPIRE', KEYS[2], recorded.ttl)
end
for i = 1, #recorded.tallies, 2 do
  redis.call('HINCRBY', KEYS[3], recorded.tallies[i], recorded.tallies[i + 1])
end
redis.call('EXPIRE', KEYS[3], recorded.tallies_ttl)
return redis.call('HLEN', KEYS[3]) > 1200 and 6 or 3
