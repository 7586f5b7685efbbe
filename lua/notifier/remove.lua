#!lua
-- Removes a notification.
-- KEYS[1]  HASH  notification id -> JSON, see note.lua
-- KEYS[2]  HASH  topic -> id of the unread notification about it
-- ARGV[1]  id
-- Returns 0: no such notification · 1: removed
local raw = redis.call('HGET', KEYS[1], ARGV[1])
if not raw then
  return 0
end
local topic = cjson.decode(raw).topic
if topic and redis.call('HGET', KEYS[2], topic) == ARGV[1] then
  redis.call('HDEL', KEYS[2], topic)
end
return redis.call('HDEL', KEYS[1], ARGV[1])
