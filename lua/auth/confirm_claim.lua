#!lua
-- Makes a claim permanent once its account exists.
-- KEYS[1]  STRING  id of the user who has it
-- ARGV[1]  user id
-- Returns 0: lapsed, or someone else's · 1: confirmed (also when it was before)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('PERSIST', KEYS[1])
return 1
