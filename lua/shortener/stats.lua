#!lua
-- Reads a slice of a link's events for its owner, newest first.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- KEYS[3]  HASH    its tallies
-- ARGV[1]  owner's user id
-- ARGV[2]  events to skip
-- ARGV[3]  events to return
-- ARGV[4]  '1': its tallies too
-- Returns {0}: no such link · {1}: somebody else's · {2, total, events, tallies}: events as XREVRANGE gives them, tallies as
--   HGETALL
local link = redis.call('HMGET', KEYS[1], 'u', 'o')
if not link[1] then
  return {0}
end
if link[2] ~= ARGV[1] then
  return {1}
end
local skip, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local total = redis.call('XLEN', KEYS[2])
local tallies = ARGV[4] == '1' and redis.call('HGETALL', KEYS[3]) or {}
if skip >= total then
  return {2, total, {}, tallies}
end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', skip + count)
local slice = {}
for i = skip + 1, #newest do
  slice[#slice + 1] = newest[i]
end
return {2, total, slice, tallies}
