#!lua
-- Writes a conversation unless it is there: for a while, until it is known to be the one of its two people, or for good.
-- KEYS[1]  HASH  the conversation
-- ARGV[1]  its id
-- ARGV[2]  the one participant, ARGV[3] the other
-- ARGV[4]  ms that it stays unconfirmed; 0: for good
-- Returns 0: another conversation has this key · 1: written · 2: it was there
local id = redis.call('HGET', KEYS[1], 'id')
if id and id ~= ARGV[1] then
  return 0
end
if id then
  if ARGV[4] == '0' then
    redis.call('PERSIST', KEYS[1])
  end
  return 2
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'a', ARGV[2], 'b', ARGV[3], 't', now, 'u', now, 'l', now, 'q', 0, 'o', 0)
if ARGV[4] ~= '0' then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
