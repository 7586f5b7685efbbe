#!lua
-- Notes in a conversation that one side takes no messages from the other, or takes them again.
-- KEYS[1]  HASH  the conversation
-- ARGV[1]  the side that blocks: 0 for a, 1 for b
-- ARGV[2]  '1': blocks, '0': unblocks
-- Returns 0: no such conversation · 1: noted
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if ARGV[2] == '1' then
  redis.call('HSET', KEYS[1], 'k' .. ARGV[1], '1')
else
  redis.call('HDEL', KEYS[1], 'k' .. ARGV[1])
end
return 1
