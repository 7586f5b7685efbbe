#!lua
-- Says where a user's log stands, and what a device missed since it was last here. Makes the log if there is none.
-- KEYS[1]  HASH    position: epoch, seq of the newest event
-- KEYS[2]  STREAM  the log: id is the seq, `f` the frame, `o` the socket that caused it
-- KEYS[3]  HASH    source -> highest intent applied
-- KEYS[4]  HASH    the same of sources that told something earlier
-- ARGV[1]  epoch for a new log
-- ARGV[2]  ms that the log lives
-- ARGV[3]  epoch that the device knows; empty: it knows none. ARGV[4] seq that it knows
-- ARGV[5]  events that may be missed; ARGV[6] bytes that they may have
-- Returns {epoch, seq, 0}: nothing to resume · {epoch, seq, 1, origin, frame, origin, frame, ...}: all that was missed
local position = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
if not position[1] then
  position = {ARGV[1], '0'}
  -- What an older log left would stand in the way of the first events.
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', '0')
end
for i = 1, 4 do
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
local seq, known = tonumber(position[2]), tonumber(ARGV[4])
if ARGV[3] ~= position[1] or known > seq or seq - known > tonumber(ARGV[5]) then
  return {position[1], seq, 0}
end
local reply, bytes, at = {position[1], seq, 1}, 0, known
while at < seq do
  -- In pieces: what is too large is not read to its end.
  local piece = redis.call('XRANGE', KEYS[2], string.format('%.0f', at + 1), '+', 'COUNT', 50)
  if not piece[1] or bytes > tonumber(ARGV[6]) then
    return {position[1], seq, 0}
  end
  for _, entry in ipairs(piece) do
    at = at + 1
    if entry[1] ~= string.format('%.0f-1', at) then
      return {position[1], seq, 0}
    end
    local fields = entry[2]
    bytes = bytes + #fields[2]
    reply[#reply + 1] = fields[4]
    reply[#reply + 1] = fields[2]
  end
end
if bytes > tonumber(ARGV[6]) then
  return {position[1], seq, 0}
end
return reply
