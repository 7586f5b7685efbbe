#!lua
-- Takes users who have gone off the list and says when to look at the others; not at those enlisted since.
-- KEYS[1]  ZSET  user -> ms since 1970 when to look
-- ARGV[1..]  user, due as due.lua listed it, when to look next or 0; user, due, next; ...
-- Returns how many were changed
local changed = 0
for i = 1, #ARGV, 3 do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or '0') == tonumber(ARGV[i + 1]) then
    changed = changed + 1
    if ARGV[i + 2] == '0' then
      redis.call('ZREM', KEYS[1], ARGV[i])
    else
      redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i])
    end
  end
end
return changed
