#!lua
-- Changes a link for its owner. With another protection, or another list of who may have codes, the codes given end; with
-- another protection, all requests for access and their grants too. Without mails about clicks, those untold are dropped; when
-- the owner was last told stays, so that switching them off and on gives no mail before its time.
-- KEYS[1]  HASH  the link
-- KEYS[2]  HASH  requests for access to it
-- KEYS[3]  ZSET  request's id -> ms when asked
-- KEYS[4]  ZSET  request's id -> ms from which on it may give way
-- ARGV[1]  owner's user id
-- ARGV[2]  channel on which changes are told
-- ARGV[3]  the link's code
-- ARGV[4..]  field, value, field, value, ...; an empty value removes the field
-- Returns 0: no such link · 1: somebody else's · 2: PASSWORD without a password · 3: a password without PASSWORD ·
--   4: a list of who may have codes without OTP · 5: changed
local link = redis.call('HMGET', KEYS[1], 'u', 'o', 'm', 'h', 'w')
if not link[1] then
  return 0
end
if link[2] ~= ARGV[1] then
  return 1
end
local change = {}
for i = 4, #ARGV, 2 do
  change[ARGV[i]] = ARGV[i + 1]
end
local before, list = link[3] or '', link[5] or ''
local method = change.m or before
if method == 'PASSWORD' and (change.h or link[4] or '') == '' then
  return 2
end
if method ~= 'PASSWORD' and (change.h or '') ~= '' then
  return 3
end
if method ~= 'OTP' and (change.w or '') ~= '' then
  return 4
end
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'd', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
if method ~= before or (change.w or list) ~= list then
  redis.call('HSET', KEYS[1], 'g', string.format('%.0f', time[1] * 1000000 + time[2]))
end
if method ~= before then
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
end
if change.e == '' then
  redis.call('HDEL', KEYS[1], 'n')
end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 5
