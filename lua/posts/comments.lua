#!lua
-- Reads a slice of a post's comments, newest first.
-- KEYS[1]  HASH    the post
-- KEYS[2]  STREAM  comments: id is `<stamp>-0`, the one field is the user id, its value the text
-- ARGV[1]  newest to return, as XREVRANGE takes it: '(<stamp>-0' or '+'
-- ARGV[2]  comments to return
-- Returns nil: no such post, or its author's account is closed · {total, comments}: comments as XREVRANGE gives them
local author, gen = unpack(redis.call('HMGET', KEYS[1], 'u', 'z'))
if not author or gen and gen % 2 == 1 then
  return nil
end
return {redis.call('XLEN', KEYS[2]), redis.call('XREVRANGE', KEYS[2], ARGV[1], '-', 'COUNT', ARGV[2])}
