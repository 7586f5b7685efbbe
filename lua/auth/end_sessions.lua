#!lua
-- Ends one session of an account, or all, and tells their sockets.
-- KEYS[1]  HASH  session id -> JSON, see open_session.lua
-- ARGV[1]  session id to end, or '*' for all
-- ARGV[2]  channel of the user
-- Returns {ended, left, now}: how many sessions ended, how many live on, and when this was, in microseconds since 1970
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local revoked, left = {}, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local live = cjson.decode(all[i + 1]).exp > now
  local chosen = ARGV[1] == '*' or ARGV[1] == all[i]
  if chosen or not live then
    redis.call('HDEL', KEYS[1], all[i])
  end
  if live then
    left = left + (chosen and 0 or 1)
    revoked[#revoked + 1] = chosen and all[i] or nil
  end
end
if #revoked > 0 then
  redis.call('PUBLISH', ARGV[2], 'revoked ' .. table.concat(revoked, ' '))
end
return {#revoked, left, time[1] * 1000000 + time[2]}
