#!lua
-- Changes a link for its owner.
-- KEYS[1]  HASH  the link
-- ARGV[1]  owner's user id
-- ARGV[2..]  field, value, field, value, ...; an empty value removes the field
-- Returns 0: no such link · 1: somebody else's · 2: PASSWORD without a password · 3: a password without PASSWORD · 4: changed
local link = redis.call('HMGET', KEYS[1], 'u', 'o', 'm', 'h')
if not link[1] then
  return 0
end
if link[2] ~= ARGV[1] then
  return 1
end
local method, hash = link[3] or '', link[4] or ''
local new_hash = false
for i = 2, #ARGV, 2 do
  if ARGV[i] == 'm' then
    method = ARGV[i + 1]
  elseif ARGV[i] == 'h' then
    hash = ARGV[i + 1]
    new_hash = hash ~= ''
  end
end
if method == 'PASSWORD' and hash == '' then
  return 2
end
if method == '' and new_hash then
  return 3
end
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'd', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
return 4
