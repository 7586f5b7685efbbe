#!lua
-- Claims an e-mail address or username for an account that is being made.
-- KEYS[1]  STRING  id of the user who has it
-- ARGV[1]  user id
-- ARGV[2]  ms after which an unconfirmed claim lapses
-- Returns {1}: claimed · {0, holder, ttl}: taken, by whom, and for how many ms (-1: confirmed)
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return {1}
end
return {0, redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
