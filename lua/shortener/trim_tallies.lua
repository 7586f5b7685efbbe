#!lua
-- Makes room among a link's tallies: hours older than a week and days older than 400 go; of referrers stay the 400 largest,
-- and the others are added up.
-- KEYS[1]  HASH  the tallies
-- Returns the number of tallies left
local now = tonumber(redis.call('TIME')[1])
local all = redis.call('HGETALL', KEYS[1])
local gone, hosts, others = {}, {}, 0
for i = 1, #all, 2 do
  local kind, rest = string.sub(all[i], 1, 1), string.sub(all[i], 2)
  if kind == 'h' and tonumber(rest) < now / 3600 - 169 or kind == 'd' and tonumber(rest) < now / 86400 - 401 then
    gone[#gone + 1] = all[i]
  elseif kind == 'r' and rest ~= '' then
    hosts[#hosts + 1] = {all[i], tonumber(all[i + 1])}
  end
end
table.sort(hosts, function(a, b) return a[2] > b[2] or a[2] == b[2] and a[1] < b[1] end)
for i = 401, #hosts do
  gone[#gone + 1] = hosts[i][1]
  others = others + hosts[i][2]
end
for _, field in ipairs(gone) do
  redis.call('HDEL', KEYS[1], field)
end
if others > 0 then
  redis.call('HINCRBY', KEYS[1], 'o', others)
end
return redis.call('HLEN', KEYS[1])
