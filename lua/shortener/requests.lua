#!lua
-- Reads a slice of the requests for access to a link for its owner, newest first.
-- KEYS[1]  HASH  the link
-- KEYS[2]  HASH  requests, as in ask.lua
-- KEYS[3]  ZSET  request's id -> ms when asked
-- ARGV[1]  owner's user id
-- ARGV[2]  requests to skip
-- ARGV[3]  requests to return
-- Returns {0}: no such link of the owner · {1, total, {id, request, ...}}
local link = redis.call('HMGET', KEYS[1], 'u', 'o')
if not link[1] or link[2] ~= ARGV[1] then
  return {0}
end
local skip = tonumber(ARGV[2])
local slice = {}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[3], skip, skip + ARGV[3] - 1)) do
  slice[#slice + 1] = id
  slice[#slice + 1] = redis.call('HGET', KEYS[2], id)
end
return {1, redis.call('ZCARD', KEYS[3]), slice}
