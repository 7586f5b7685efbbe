#!lua
-- Tells the other side of a conversation that somebody types, unless it has blocked that somebody.
-- KEYS[1]  HASH  the conversation
-- ARGV[1]  who types, the side: 0 for a, 1 for b
-- ARGV[2]  channel of the other
-- ARGV[3]  what to tell
-- Returns 0: no such conversation, or blocked · 1: told
local meta = redis.call('HMGET', KEYS[1], 'id', ARGV[1] == '0' and 'k1' or 'k0')
if not meta[1] or meta[2] then
  return 0
end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
