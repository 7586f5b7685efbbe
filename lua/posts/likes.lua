#!lua
-- Reads a slice of a post's likes, newest first.
-- KEYS[1]  HASH  the post
-- KEYS[2]  ZSET  user id -> stamp of the like
-- ARGV[1]  newest to return, as ZREVRANGEBYSCORE takes it: '(<stamp>' or '+inf'
-- ARGV[2]  likes to return
-- Returns nil: no such post, or its author's account is closed · {total, {user, stamp, user, stamp, ...}}
local author, gen = unpack(redis.call('HMGET', KEYS[1], 'u', 'z'))
if not author or gen and gen % 2 == 1 then
  return nil
end
local likes = redis.call('ZREVRANGEBYSCORE', KEYS[2], ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
return {redis.call('ZCARD', KEYS[2]), likes}
