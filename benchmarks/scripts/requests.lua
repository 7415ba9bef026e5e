-- Requests from a file, one in a line: method, path, body, with tabs between. `@N@` in a body becomes a number that
-- never comes twice, so that each write is a change. Each thread has a server of its own.
local requests = {}
for line in io.lines(os.getenv("BENCH_REQUESTS")) do
  local method, path, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
  requests[#requests + 1] = { method = method, path = path, body = body ~= "" and body or nil }
end
local headers = { ["Content-Type"] = "application/fhir+json", ["X-API-Key"] = os.getenv("BENCH_API_KEY") }
local at = 0
local ports = {}
for port in os.getenv("BENCH_PORTS"):gmatch("%d+") do
  ports[#ports + 1] = port
end
local threads = 0

function setup(thread)
  threads = threads + 1
  thread.addr = wrk.lookup("127.0.0.1", ports[threads])[1]
  thread:set("first", (threads - 1) * 1000000000)
end

function init(_)
  at = first
end

function request()
  at = at + 1
  local one = requests[at % #requests + 1]
  local body = one.body and one.body:gsub("@N@", tostring(at))
  return wrk.format(one.method, one.path, headers, body)
end

function done(summary, latency, _)
  io.write(string.format(
    'FIGURES {"requests":%d,"duration_us":%d,"errors":%d,"p50_us":%d,"p95_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.status,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
