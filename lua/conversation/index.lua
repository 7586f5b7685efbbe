#!lua
-- Lists a conversation among a user's, or moves it up; the longest quiet one gives way when there are too many.
-- KEYS[1]  ZSET  conversation id -> ms of its last message
-- ARGV[1]  conversation id
-- ARGV[2]  ms of its last message
-- ARGV[3]  conversations allowed
-- Returns 0: listed before · 1: new in the list
local added = redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
if added == 1 and redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[3]) then
  redis.call('ZPOPMIN', KEYS[1])
end
return added
