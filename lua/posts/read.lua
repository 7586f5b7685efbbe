#!lua
-- Reads a post with the newest of its likes and comments, all as of one moment.
-- KEYS[1]  HASH    the post, fields as in src/posts/keys.rs
-- KEYS[2]  ZSET    user id -> stamp of the like
-- KEYS[3]  STREAM  comments: id is `<stamp>-0`, the one field is the user id, its value the text
-- ARGV[1]  who reads
-- ARGV[2]  newest likes and newest comments to return
-- ARGV[3]  bytes that the comments may have together
-- Returns nil: no such post, or its author's account is closed · {{author, title, description, content},
--   {updated, revision}, {likes, comments, liked by the reader}, {user, stamp, user, stamp, ...} oldest first,
--   {comment, ...} newest first as XREVRANGE gives them}
local post = redis.call('HMGET', KEYS[1], 'u', 't', 'd', 'b', 'm', 'v', 'z')
-- To its author it is there: the account was open when he asked.
if not post[1] or post[7] and post[7] % 2 == 1 and post[1] ~= ARGV[1] then
  return nil
end
local comments, room = {}, tonumber(ARGV[3])
for i, comment in ipairs(redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', ARGV[2])) do
  room = room - #comment[2][2]
  if room < 0 then
    break
  end
  comments[i] = comment
end
local liked = redis.call('ZSCORE', KEYS[2], ARGV[1]) and 1 or 0
return {
  {post[1], post[2], post[3], post[4]},
  {post[5], post[6]},
  {redis.call('ZCARD', KEYS[2]), redis.call('XLEN', KEYS[3]), liked},
  redis.call('ZRANGE', KEYS[2], -tonumber(ARGV[2]), -1, 'WITHSCORES'),
  comments,
}
