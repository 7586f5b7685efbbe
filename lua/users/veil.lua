#!lua
-- Hides a picture from the world, or shows it, as its owner's account is closed or open.
-- KEYS[1]  STRING  generation of the account: odd is closed
-- ARGV[1]  the generation to bring it in line with
-- ARGV[2]  ms for which an open one is remembered, so that nobody who comes late hides the picture again
-- Returns 0: in line with this one or a later one already · 1: changed
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
if ARGV[1] % 2 == 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
