#!lua
-- Makes a claim permanent once what it is for exists. It gets another text each time, so that whoever found it without
-- a use before cannot release it afterwards.
-- KEYS[1]  STRING  whose it is, see claim.lua
-- ARGV[1]  user id
-- Returns nil: lapsed, or somebody else's · text: the claim as it is now
local id = ARGV[1]
local claim = redis.call('GET', KEYS[1])
if not claim or claim ~= id and string.sub(claim, 1, #id + 1) ~= id .. ':' then
  return false
end
local time = redis.call('TIME')
claim = string.format('%s:%.0f', id, time[1] * 1000000 + time[2])
redis.call('SET', KEYS[1], claim)
return claim
