#!lua
-- Claims an e-mail address or username. A claim that is one's own already stays as it is.
-- KEYS[1]  STRING  whose it is: `<user id>`, or `<user id>:<confirmed at>` for good
-- ARGV[1]  user id
-- ARGV[2]  ms after which an unconfirmed claim lapses
-- Returns {1}: claimed · {0, claim, ttl}: somebody else's: the claim, and for how many ms (-1: confirmed)
local id = ARGV[1]
if redis.call('SET', KEYS[1], id, 'NX', 'PX', ARGV[2]) then
  return {1}
end
local claim, ttl = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if claim ~= id and string.sub(claim, 1, #id + 1) ~= id .. ':' then
  return {0, claim, ttl}
end
if ttl > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return {1}
