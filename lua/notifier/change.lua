#!lua
-- Marks a notification: as read, after which the next notice about the same is a new one, or as sent.
-- KEYS[1]  HASH  notification id -> JSON, see note.lua
-- KEYS[2]  HASH  topic -> id of the unread notification about it
-- ARGV[1]  id
-- ARGV[2]  'read' or 'success': the field that becomes true
-- Returns 0: no such notification · 1: it is so
local raw = redis.call('HGET', KEYS[1], ARGV[1])
if not raw then
  return 0
end
local notification = cjson.decode(raw)
if not notification[ARGV[2]] then
  notification[ARGV[2]] = true
  redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(notification))
end
if ARGV[2] == 'read' and notification.topic and redis.call('HGET', KEYS[2], notification.topic) == ARGV[1] then
  redis.call('HDEL', KEYS[2], notification.topic)
end
return 1
