#!lua
-- Takes a letter that was sent, or is to be tried again, or is given up, off the queue.
-- KEYS[1]  STREAM  the queue, see enqueue.lua
-- KEYS[2]  ZSET    letters to try again
-- KEYS[3]  STREAM  letters given up: `l` sealed letter, `t` ms when it was first queued, `w` why
-- ARGV[1]  consumer group
-- ARGV[2]  id of the letter's entry
-- ARGV[3]  'sent', 'later' or 'dead'
-- ARGV[4]  ms until the next try, or why it is given up
-- ARGV[5]  letters given up to keep
-- ARGV[6]  ms that they live
-- Returns 0: somebody else has settled it · 1: done
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if not entry then
  return 0
end
redis.call('XDEL', KEYS[1], ARGV[2])
local letter, since, tries = entry[2][2], entry[2][4], tonumber(entry[2][6])
if ARGV[3] == 'later' then
  local time = redis.call('TIME')
  local due = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[4])
  redis.call('ZADD', KEYS[2], string.format('%.0f', due), since .. '|' .. (tries + 1) .. '|' .. letter)
elseif ARGV[3] == 'dead' then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'l', letter, 't', since, 'w', ARGV[4])
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
end
return 1
