#!lua
-- Deletes a link for its owner. Its code stays reserved for the owner for a while, so that nobody else
-- can take over a link that is printed somewhere; with it stays the id of the last intent left, above which those of a
-- link that the owner makes there anew have to be.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- KEYS[3]  HASH    its tallies
-- KEYS[4]  HASH    requests for access to it
-- KEYS[5]  ZSET    request's id -> ms when asked
-- KEYS[6]  ZSET    request's id -> ms from which on it may give way
-- ARGV[1]  owner's user id
-- ARGV[2]  seconds of the reservation
-- ARGV[3]  channel on which changes are told
-- ARGV[4]  the link's code
-- Returns 0: no such link · 1: somebody else's · 2: deleted
local link = redis.call('HMGET', KEYS[1], 'u', 'o', 'i')
if not link[1] then
  return 0
end
if link[2] ~= ARGV[1] then
  return 1
end
redis.call('DEL', unpack(KEYS))
redis.call('HSET', KEYS[1], 'x', '1', 'o', ARGV[1])
if link[3] then
  redis.call('HSET', KEYS[1], 'i', link[3])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 2
