-- Walks a list of requests made beforehand, each thread from a start of its own. Arguments: a file with the beginnings of
-- requests, of one width, one after the other, that width, a file with the rest of each, and the number of threads. Prints one
-- line of JSON with counts, and with the processor time of wrk before and after the load.
-- The beginnings stay one string: the first thread already runs while a later one reads its own, so that must be quick.
local number = 0

function setup(thread)
  thread:set("index", number)
  number = number + 1
end

local function read(name)
  local file = io.open(name, "rb")
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  rows, width, rest = read(args[1]), tonumber(args[2]), read(args[3])
  count = #rows / width
  position = math.floor(index * count / tonumber(args[4]))
  io.write(string.format("ready %.3f\n", os.clock()))
end

function request()
  position = (position + 1) % count
  local from = position * width
  return rows:sub(from + 1, from + width) .. rest
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"micros":%d,"status":%d,"socket":%d,"p50":%d,"p99":%d,"cpu":%.3f}\n', summary.requests,
    summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), os.clock()))
end
