#!lua
-- Says whether one more mail may go to an address, each mail once, whoever asks again.
-- KEYS[1]  SET  mails of a day
-- ARGV[1]  the mail
-- ARGV[2]  mails that may go
-- ARGV[3]  seconds of a day
-- Returns 0: enough went · 1: it may go
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then
  return 1
end
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3], 'NX')
return 1
