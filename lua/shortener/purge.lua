#!lua
-- Removes a link whose owner is gone for good. Its code stays reserved for nobody for a while, so that nobody can take
-- over a link that is printed somewhere.
-- KEYS[1]  HASH    the link
-- KEYS[2]  STREAM  its events
-- KEYS[3]  HASH    its tallies
-- KEYS[4]  HASH    requests for access to it
-- KEYS[5]  ZSET    request's id -> ms when asked
-- KEYS[6]  ZSET    request's id -> ms from which on it may give way
-- KEYS[7]  ZSET    what is to be told of it
-- KEYS[8]  HASH    wrong guesses at it
-- KEYS[9]  HASH    mails that strangers caused
-- ARGV[1]  owner's user id
-- ARGV[2]  seconds of the reservation
-- ARGV[3]  channel on which changes are told
-- ARGV[4]  the link's code
-- Returns 0: no such link of theirs · 1: removed
if redis.call('HGET', KEYS[1], 'o') ~= ARGV[1] then
  return 0
end
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'x', '1')
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
