#!lua
-- Decides that no message will refer to a file, unless one does.
-- KEYS[1]  HASH  files in doubt, see reserve.lua
-- ARGV[1]  object
-- Returns 0: it is not in doubt: a message refers to it, or it is gone · 1: it can be removed
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], '0')
return 1
