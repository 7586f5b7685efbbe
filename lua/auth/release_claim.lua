#!lua
-- Gives a claim back.
-- KEYS[1]  STRING  id of the user who has it
-- ARGV[1]  user id
-- Returns 0: someone else's, or none · 1: released
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
