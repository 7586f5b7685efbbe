#!lua
-- Gives an address a code that opens a link, in the place of an older one, and leaves the mail with it. Who is not on the
-- owner's list gets neither, in as many steps: an empty code, which nothing matches, and a word to nobody.
-- KEYS[1]  HASH  the link
-- KEYS[2]  HASH  the address's code: c its digest, g the link's protection as of when it was made, n wrong tries
-- KEYS[3]  ZSET  what is to be told, `<id>|<text>` by id
-- ARGV[1]  the address as it is compared
-- ARGV[2]  digest of the code
-- ARGV[3]  ms that the code lives
-- ARGV[4]  the sealed mail
-- ARGV[5]  ms since 1970 when the link was registered as a source of intents
-- ARGV[6]  ms for which that is good
-- ARGV[7]  intents that may wait
-- ARGV[8]  intents to return
-- Returns {0}: no such link, or its owner's account is closed · {1}: not protected by OTP · {2}: registered too long ago · {3}: too many intents wait ·
--   {4, id, intents}: made, or not on the list; the intent left, and the oldest ones
local link = redis.call('HMGET', KEYS[1], 'u', 'm', 'w', 'g', 't', 'i', 'z')
if not link[1] or link[7] and link[7] % 2 == 1 then
  return {0}
end
if link[2] ~= 'OTP' then
  return {1}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if now / 1000 - tonumber(ARGV[5]) > tonumber(ARGV[6]) then
  return {2}
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[7]) then
  return {3}
end
local line = table.concat({'\n', ARGV[1], '\n'})
local listed = not link[3] or string.find('\n' .. link[3], line, 1, true)
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'c', listed and ARGV[2] or '', 'g', link[4] or link[5])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local id = string.format('%.0f', math.max(now, tonumber(link[6] or '0') + 1))
redis.call('HSET', KEYS[1], 'i', id)
redis.call('ZADD', KEYS[3], id, id .. '|' .. (listed and ARGV[4] or 'nobody'))
return {4, tonumber(id), redis.call('ZRANGE', KEYS[3], 0, ARGV[8] - 1)}
