#!lua
-- Gives a claim back.
-- KEYS[1]  STRING  whose it is, see claim.lua
-- ARGV[1]  the claim as it was seen; or a user id, for whatever claim of that user
-- Returns 0: another one, or none · 1: released
local seen = ARGV[1]
local claim = redis.call('GET', KEYS[1])
if not claim or claim ~= seen and string.sub(claim, 1, #seen + 1) ~= seen .. ':' then
  return 0
end
return redis.call('DEL', KEYS[1])
