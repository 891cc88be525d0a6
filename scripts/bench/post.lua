-- For wrk: posts the given files in turn, counts the answers by status, and ends with one line of JSON.
-- wrk … -s post.lua URL -- PAUSE_MS CONTENT_TYPE FILE…
-- With a pause each connection waits after an answer for a random time (exponential, PAUSE_MS on average): many
-- connections then come as independent users do, nearly at random times (Poisson).

local threads = {}
local requests = {}
local sent = 0
statuses = {} -- global: `done` reads it from each thread

function setup(thread)
   table.insert(threads, thread)
end

function init(arguments)
   local pause = tonumber(arguments[1])
   if pause > 0 then
      math.randomseed(1)
      function delay() -- global: wrk asks for it
         return -pause * math.log(1 - math.random())
      end
   end
   local headers = { ["Content-Type"] = arguments[2] }
   for number = 3, #arguments do
      local file = assert(io.open(arguments[number], "rb"))
      table.insert(requests, wrk.format("POST", nil, headers, file:read("*a")))
      file:close()
   end
end

function request()
   sent = sent + 1
   return requests[sent % #requests + 1]
end

function response(status)
   local name = tostring(status) -- wrk copies tables with names as keys only
   statuses[name] = (statuses[name] or 0) + 1
end

function done(summary, latency)
   local counted = {}
   for _, thread in ipairs(threads) do
      for status, number in pairs(thread:get("statuses")) do
         counted[status] = (counted[status] or 0) + number
      end
   end
   local parts = {}
   for status, number in pairs(counted) do
      table.insert(parts, string.format('"%s": %d', status, number))
   end
   local errors = summary.errors
   print(string.format(
      'RESULT {"seconds": %.6f, "statuses": {%s}, "failures": %d, "p50_ms": %.3f, "p95_ms": %.3f, "p99_ms": %.3f}',
      summary.duration / 1e6, table.concat(parts, ", "),
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
