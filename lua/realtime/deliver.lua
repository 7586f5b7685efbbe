#!lua
-- Appends events to a user's log and pushes them to the user's sockets. Applies each event once, whoever repeats it.
-- KEYS[1]  HASH    position: epoch, seq of the newest event
-- KEYS[2]  STREAM  the log: id is the seq, `f` the frame, `o` the socket that caused it
-- KEYS[3]  HASH    source -> highest intent applied
-- KEYS[4]  HASH    the same of sources that told something earlier
-- ARGV[1]  source of the events
-- ARGV[2]  channel of the user
-- ARGV[3]  newest events to keep
-- ARGV[4]  sources in a hash; a full one becomes the earlier one, whose sources are forgotten
-- ARGV[5..]  intent, origin, event without its seq; intent, origin, event; ...
-- Returns {-1, 0}: no socket has asked for a log, so there is none · {n, nodes}: events applied, and how many nodes heard
--   the last of them (of those that this server of a cluster knows)
local seq = redis.call('HGET', KEYS[1], 'seq')
if not seq then
  return {-1, 0}
end
local applied = redis.call('HGET', KEYS[3], ARGV[1]) or redis.call('HGET', KEYS[4], ARGV[1])
applied = tonumber(applied or '0')
local before = tonumber(seq)
local now, nodes = before, 0
for i = 5, #ARGV, 3 do
  local intent = tonumber(ARGV[i])
  if intent > applied then
    applied = intent
    now = now + 1
    local frame = string.sub(ARGV[i + 2], 1, -2) .. ',"seq":' .. string.format('%.0f', now) .. '}'
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], string.format('%.0f-1', now), 'f', frame, 'o', ARGV[i + 1])
    nodes = redis.call('PUBLISH', ARGV[2], 'event ' .. string.format('%.0f', now) .. ' ' .. ARGV[i + 1] .. '\n' .. frame)
  end
end
if now > before then
  redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', now))
  local new = redis.call('HSET', KEYS[3], ARGV[1], string.format('%.0f', applied))
  -- What has just begun goes with its position.
  if new == 1 or redis.call('PTTL', KEYS[2]) < 0 then
    local ttl = redis.call('PTTL', KEYS[1])
    if ttl > 0 then
      redis.call('PEXPIRE', KEYS[2], ttl)
      redis.call('PEXPIRE', KEYS[3], ttl)
    end
    if redis.call('HLEN', KEYS[3]) > tonumber(ARGV[4]) then
      redis.call('RENAME', KEYS[3], KEYS[4])
    end
  end
end
return {now - before, nodes}
