#!lua
-- Lists a post among its author's.
-- KEYS[1]  ZSET  post id -> microseconds of its id
-- ARGV[1]  post id
-- ARGV[2]  microseconds of its id
-- ARGV[3]  posts allowed
-- Returns 0: the author has too many · 1: listed
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return 1
