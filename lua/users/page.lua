#!lua
-- Reads a slice of the directory: those whose names begin with a text, by name.
-- KEYS[1]  ZSET  `<name in lower case>\0<user id>`, all of one score, so ordered as bytes
-- ARGV[1]  the text, in lower case; empty for all
-- ARGV[2]  entries to skip
-- ARGV[3]  entries to return
-- Returns {total, entry, entry, ...}
local prefix = ARGV[1]
local first = redis.call('ZLEXCOUNT', KEYS[1], '-', '(' .. prefix)
-- No UTF-8 has a byte 255.
local past = redis.call('ZLEXCOUNT', KEYS[1], '-', '(' .. prefix .. '\255')
local from = first + tonumber(ARGV[2])
local slice = {}
if from < past then
  slice = redis.call('ZRANGE', KEYS[1], from, math.min(past, from + tonumber(ARGV[3])) - 1)
end
table.insert(slice, 1, past - first)
return slice
