#!lua
-- Counts clicks that a node has answered from what it remembers, each position of its journal once: on one link, or on several
-- plain ones of a slot, because there are many of them and a call takes longer than a link.
-- KEYS[1]  HASH    the link; more links, or with ARGV[4]
-- KEYS[2]  STREAM  its events
-- KEYS[3]  HASH    its tallies
-- ARGV[1]  the field of the journal's writer: '@' and its id
-- ARGV[2]  ms since 1970 when the link was entered among those with untold clicks, or '' unless just asked for
-- ARGV[3]  ms for which that is good, or ''
-- ARGV[4]  events and tallies, or '' for none: JSON {keep, ttl, list, tallies_ttl, tallies}: the list of {t, h, i, r, a} is
--          as in visit.lua, and t ms since 1970; tallies are field, by, field, by, ...
-- ARGV[5 ...]  four for each link: position of the first click, microseconds since 1970 or a little later; position of the last
--          one; when the link was made that was clicked, ms since 1970; clicks
-- Returns for each link 0: it is no link any more, or another one: nothing to count · 1, 2: nothing was counted yet, as in
--   visit.lua · 3: counted · 4: all of this had been counted · 5: a part of this had been, nothing was counted now ·
--   6: counted, and its tallies want trimming · 7: this is no hash, nothing was counted
local writer = ARGV[1]

-- Whether the owner, who wants to hear of clicks, is sure to.
local function is_entered()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[2]) <= tonumber(ARGV[3])
end

-- Those that have been silent for 30 days have nothing left to count.
local function drop_silent_writers(key, now)
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 1) == '@' and now - redis.call('HGET', key, field) > 2592000000000 then
      redis.call('HDEL', key, field)
    end
  end
end

local function count(key, first, last, made, clicks)
  -- What is wrong with one link is not to stand in the way of the others.
  local link = redis.pcall('HMGET', key, 't', 'k', writer, 'e')
  if link.err then
    return 7
  end
  if link[1] ~= made then
    return 0
  end
  local before = tonumber(link[3] or '0')
  if before >= tonumber(first) then
    return before >= tonumber(last) and 4 or 5
  end
  if link[4] and tonumber(clicks) > 0 then
    local told = redis.call('HMGET', key, 'n', 'l')
    if (told[1] or '0') == '0' and (ARGV[2] == '' or not is_entered()) then
      return told[2] and 1 or 2
    end
    redis.call('HINCRBY', key, 'n', clicks)
  end
  if not link[3] then
    drop_silent_writers(key, tonumber(first))
  end
  redis.call('HSET', key, 'k', string.format('%.0f', tonumber(link[2] or '0') + clicks), writer, last)
  return 3
end

-- Returns whether the tallies want trimming.
local function record(events, tallies, recorded)
  for _, event in ipairs(recorded.list) do
    redis.call('XADD', events, 'MAXLEN', '~', recorded.keep, '*', 't', event.t, 'm', 'NONE', 's', '1', 'h', event.h,
      'i', event.i, 'r', event.r, 'a', event.a)
  end
  if #recorded.list > 0 then
    redis.call('EXPIRE', events, recorded.ttl)
  end
  for i = 1, #recorded.tallies, 2 do
    redis.call('HINCRBY', tallies, recorded.tallies[i], recorded.tallies[i + 1])
  end
  redis.call('EXPIRE', tallies, recorded.tallies_ttl)
  return redis.call('HLEN', tallies) > 1200
end

local outcomes = {}
for at = 5, #ARGV, 4 do
  local number = #outcomes + 1
  outcomes[number] = count(KEYS[number], ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
end
if ARGV[4] ~= '' and outcomes[1] == 3 and record(KEYS[2], KEYS[3], cjson.decode(ARGV[4])) then
  outcomes[1] = 6
end
return outcomes
