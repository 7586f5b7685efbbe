#!lua
-- Deletes a post with all that hangs on it, for its author.
-- KEYS[1]  HASH    the post
-- KEYS[2]  ZSET    its likes
-- KEYS[3]  STREAM  its comments
-- KEYS[4]  ZSET    its intents
-- KEYS[5]  ZSET    likes taken back
-- ARGV[1]  who deletes it
-- Returns 0: no such post · 1: somebody else's · 2: deleted
local author = redis.call('HGET', KEYS[1], 'u')
if not author then
  return 0
end
if author ~= ARGV[1] then
  return 1
end
-- A million likes are freed in the background.
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
return 2
