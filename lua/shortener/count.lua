#!lua
-- Counts clicks that a node has answered from what it remembers, each position of its journal once.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- KEYS[3]  HASH    its tallies
-- ARGV[1]  the journal's writer
-- ARGV[2]  position of the first click, microseconds since 1970 or a little later
-- ARGV[3]  position of the last one
-- ARGV[4]  when the link was made that was clicked, ms since 1970
-- ARGV[5]  clicks
-- ARGV[6]  events, JSON {keep, ttl, list of {t, h, i, r, a}}: as in visit.lua, and t ms since 1970; or '' for none
-- ARGV[7]  tallies, JSON {ttl, field, by, field, by, ...}; or '' for none
-- ARGV[8]  us for which a marker is kept that its journal has not moved
-- ARGV[9]  ms since 1970 when the link was entered among those with untold clicks; absent unless just asked for
-- ARGV[10] ms for which that is good
-- Returns 0: it is no link any more, or another one: nothing to count · 1, 2: nothing was counted yet, as in visit.lua ·
--   3: counted · 4: all of this had been counted · 5: a part of this had been, nothing was counted now ·
--   6: counted, and its tallies want trimming
local writer = '@' .. ARGV[1]
local link = redis.call('HMGET', KEYS[1], 'u', 't', writer, 'k', 'e')
if not link[1] or link[2] ~= ARGV[4] then
  return 0
end
local clicks = tonumber(ARGV[5])
local before = tonumber(link[3] or '0')
if before >= tonumber(ARGV[2]) then
  return before >= tonumber(ARGV[3]) and 4 or 5
end
if link[5] and clicks > 0 then
  local told = redis.call('HMGET', KEYS[1], 'n', 'l')
  if (told[1] or '0') == '0' then
    local time = redis.call('TIME')
    if time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[9] or '0') > tonumber(ARGV[10] or '0') then
      return told[2] and 1 or 2
    end
  end
  redis.call('HINCRBY', KEYS[1], 'n', clicks)
end
if not link[3] then
  -- A new writer: those that have been silent for so long have nothing left to count.
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 1) == '@' then
      local last = tonumber(redis.call('HGET', KEYS[1], field))
      if tonumber(ARGV[2]) - last > tonumber(ARGV[8]) then
        redis.call('HDEL', KEYS[1], field)
      end
    end
  end
end
redis.call('HSET', KEYS[1], 'k', string.format('%.0f', tonumber(link[4] or '0') + clicks), writer, ARGV[3])
if ARGV[6] ~= '' then
  local events = cjson.decode(ARGV[6])
  for _, event in ipairs(events.list) do
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', events.keep, '*', 't', event.t, 'm', 'NONE', 's', '1', 'h', event.h,
      'i', event.i, 'r', event.r, 'a', event.a)
  end
  redis.call('EXPIRE', KEYS[2], events.ttl)
end
if ARGV[7] ~= '' then
  local tallies = cjson.decode(ARGV[7])
  for i = 2, #tallies, 2 do
    redis.call('HINCRBY', KEYS[3], tallies[i], tallies[i + 1])
  end
  redis.call('EXPIRE', KEYS[3], tallies[1])
  if redis.call('HLEN', KEYS[3]) > 1200 then
    return 6
  end
end
return 3
