#!lua
-- Ends one session of an account, or all.
-- KEYS[1]  HASH  session id -> JSON, see open_session.lua
-- ARGV[1]  session id to end, or '*' for all
-- Returns {ended, left, now}: how many sessions ended, how many live on, and when this was, in ms since 1970
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ended, left = 0, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local live = cjson.decode(all[i + 1]).exp > now
  local chosen = ARGV[1] == '*' or ARGV[1] == all[i]
  if chosen or not live then
    redis.call('HDEL', KEYS[1], all[i])
  end
  if live then
    ended, left = ended + (chosen and 1 or 0), left + (chosen and 0 or 1)
  end
end
return {ended, left, now}
