#!lua
-- Lists notices among a user's notifications, each once, whoever repeats it. What is about the same as a notification that
-- is neither read nor older than it may be is counted there.
-- KEYS[1]  HASH  notification id -> JSON {at, n, topic, ...}: ms when it last changed, notices it stands for, what about
-- KEYS[2]  HASH  topic -> id of the unread notification about it
-- KEYS[3]  HASH  source -> highest intent listed
-- KEYS[4]  HASH  the same of sources that told something earlier
-- ARGV[1]  source of the notices
-- ARGV[2]  notifications to keep; of more, the oldest tenth goes
-- ARGV[3]  ms that all of it lives
-- ARGV[4]  sources in a hash; a full one becomes the earlier one, whose sources are forgotten
-- ARGV[5..]  intent, topic or '', ms since 1970 before which a notification about that is too old, id, JSON without `at`;
--            and so on
-- Returns for each notice 1: it is listed · 2: it is counted in another; the same whenever it is repeated, but that a
--   listed one of a topic counts as counted once it is gone
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local applied = redis.call('HGET', KEYS[3], ARGV[1]) or redis.call('HGET', KEYS[4], ARGV[1])
applied = tonumber(applied or '0')
local codes = {}
for i = 5, #ARGV, 5 do
  local intent, topic, id = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 3]
  local about = topic ~= '' and redis.call('HGET', KEYS[2], topic)
  local raw = about and redis.call('HGET', KEYS[1], about)
  local seen = raw and cjson.decode(raw)
  if intent <= applied then
    codes[#codes + 1] = (topic == '' or redis.call('HEXISTS', KEYS[1], id) == 1) and 1 or 2
  elseif seen and seen.at >= tonumber(ARGV[i + 2]) then
    seen.n, seen.at = seen.n + 1, tonumber(now)
    redis.call('HSET', KEYS[1], about, cjson.encode(seen))
    codes[#codes + 1] = 2
  else
    redis.call('HSET', KEYS[1], id, '{"at":' .. now .. ',' .. string.sub(ARGV[i + 4], 2))
    if topic ~= '' then
      redis.call('HSET', KEYS[2], topic, id)
    end
    codes[#codes + 1] = 1
  end
  applied = math.max(applied, intent)
end
redis.call('HSET', KEYS[3], ARGV[1], string.format('%.0f', applied))
if redis.call('HLEN', KEYS[3]) > tonumber(ARGV[4]) then
  redis.call('RENAME', KEYS[3], KEYS[4])
end
local keep = tonumber(ARGV[2])
if redis.call('HLEN', KEYS[1]) > keep then
  local all, raw = {}, redis.call('HGETALL', KEYS[1])
  for i = 1, #raw, 2 do
    local notification = cjson.decode(raw[i + 1])
    all[#all + 1] = {raw[i], notification.at, notification.topic}
  end
  table.sort(all, function(a, b) return a[2] < b[2] end)
  for i = 1, #all - keep + math.floor(keep / 10) do
    redis.call('HDEL', KEYS[1], all[i][1])
    if all[i][3] and redis.call('HGET', KEYS[2], all[i][3]) == all[i][1] then
      redis.call('HDEL', KEYS[2], all[i][3])
    end
  end
end
for i = 1, 4 do
  redis.call('PEXPIRE', KEYS[i], ARGV[3])
end
return codes
