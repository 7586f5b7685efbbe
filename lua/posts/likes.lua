#!lua
-- Reads a slice of a post's likes, newest first.
-- KEYS[1]  HASH  the post
-- KEYS[2]  ZSET  user id -> stamp of the like
-- ARGV[1]  newest to return, as ZREVRANGEBYSCORE takes it: '(<stamp>' or '+inf'
-- ARGV[2]  likes to return
-- Returns nil: no such post · {total, {user, stamp, user, stamp, ...}}
if redis.call('EXISTS', KEYS[1]) == 0 then
  return nil
end
local likes = redis.call('ZREVRANGEBYSCORE', KEYS[2], ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
return {redis.call('ZCARD', KEYS[2]), likes}
