#!lua
-- Deletes a comment, for whoever wrote it or the post.
-- KEYS[1]  HASH    the post
-- KEYS[2]  STREAM  comments: id is `<stamp>-0`, the one field is the user id, its value the text
-- ARGV[1]  who deletes it
-- ARGV[2]  id of the comment in the stream
-- Returns 0: no such post · 1: no such comment · 2: neither is the deleter's · 3: deleted
local author = redis.call('HGET', KEYS[1], 'u')
if not author then
  return 0
end
local comment = redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2])[1]
if not comment then
  return 1
end
if author ~= ARGV[1] and comment[2][1] ~= ARGV[1] then
  return 2
end
redis.call('XDEL', KEYS[2], ARGV[2])
redis.call('HINCRBY', KEYS[1], 'v', 1)
return 3
