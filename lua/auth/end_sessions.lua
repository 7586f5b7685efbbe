#!lua
-- Ends one session of an account, or all but one. With the last one gone the user is offline.
-- KEYS[1]  HASH  the account
-- KEYS[2]  HASH  session id -> JSON, see open_session.lua
-- ARGV[1]  session id to end, or '*' for all
-- ARGV[2]  session id to keep when all are ended, or ''
-- Returns {ended, left}: how many sessions ended, and how many live on
local ended = 0
if ARGV[1] == '*' then
  for _, id in ipairs(redis.call('HKEYS', KEYS[2])) do
    if id ~= ARGV[2] then
      ended = ended + redis.call('HDEL', KEYS[2], id)
    end
  end
else
  ended = redis.call('HDEL', KEYS[2], ARGV[1])
end
local left = redis.call('HLEN', KEYS[2])
if ended > 0 and left == 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'online', '0', 'seen', string.format('%.0f', now))
end
return {ended, left}
