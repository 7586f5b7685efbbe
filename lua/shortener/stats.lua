#!lua
-- Reads a slice of a link's events for its owner, newest first.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- ARGV[1]  owner's user id
-- ARGV[2]  events to skip
-- ARGV[3]  events to return
-- Returns {0}: no such link · {1}: somebody else's · {2, total, events}: events as XREVRANGE gives them
local link = redis.call('HMGET', KEYS[1], 'u', 'o')
if not link[1] then
  return {0}
end
if link[2] ~= ARGV[1] then
  return {1}
end
local skip, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local total = redis.call('XLEN', KEYS[2])
if skip >= total then
  return {2, total, {}}
end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', skip + count)
local slice = {}
for i = skip + 1, #newest do
  slice[#slice + 1] = newest[i]
end
return {2, total, slice}
