#!lua
-- Ends one session of an account, or all. With the last live one gone the user is offline.
-- KEYS[1]  HASH  the account
-- KEYS[2]  HASH  session id -> JSON, see open_session.lua
-- ARGV[1]  session id to end, or '*' for all
-- Returns {ended, left}: how many sessions ended, and how many live on
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ended, left = 0, 0
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  local live = cjson.decode(all[i + 1]).exp > now
  local chosen = ARGV[1] == '*' or ARGV[1] == all[i]
  if chosen or not live then
    redis.call('HDEL', KEYS[2], all[i])
  end
  if live then
    ended, left = ended + (chosen and 1 or 0), left + (chosen and 0 or 1)
  end
end
if ended > 0 and left == 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'online', '0', 'seen', string.format('%.0f', now))
end
return {ended, left}
