-- What every script shares: settings from the environment, and figures as one line of JSON at the end.
-- wrk runs `request` once per request in one thread, so that a counter is enough to make each one different.

local next_number = tonumber(os.getenv("BENCH_FIRST") or "0")
local members = tonumber(os.getenv("BENCH_MEMBERS") or "1000")
local api_key = os.getenv("BENCH_API_KEY")
local think_ms = tonumber(os.getenv("BENCH_THINK_MS") or "0")
local first_day = os.time({ year = 2020, month = 1, day = 2, hour = 12 })
local days = 2300

headers = { ["Content-Type"] = "application/json" }
if api_key then headers["X-API-Key"] = api_key end

-- Another member, date and amount each time: member first, so that neighbours never share a family.
function claim_body()
  local n = next_number
  next_number = n + 1
  local member = n % members
  local day = math.floor(n / members) % days
  local date = os.date("!%Y-%m-%d", first_day + day * 86400)
  return string.format(
    '{"patient_name":"Bench Member %d","insurance_id":"BM-%06d","diagnosis_code":"J20.9",' ..
    '"procedure_code":"99213","diagnosis_description":"Acute bronchitis",' ..
    '"procedure_description":"Office visit","amount":"%d.%02d","date_of_service":"%s",' ..
    '"priority":"medium","provider_id":"PROV-001","notes":"Cough for %d days"}',
    member, member, 100 + (n * 37) % 900, (n * 13) % 100, date, n % 14)
end

-- Paths one per line, in the order they were made; walked with a step, so that reads are spread over all of them.
function paths()
  local all = {}
  for line in io.lines(os.getenv("BENCH_PATHS")) do all[#all + 1] = line end
  local at = 0
  return function()
    at = (at + 7919) % #all
    return all[at + 1]
  end
end

if think_ms > 0 then
  math.randomseed(7)
  function delay() return math.random(0, 2 * think_ms) end
end

function done(summary, latency, requests)
  io.write(string.format(
    'FIGURES {"requests":%d,"duration_us":%d,"bytes":%d,"errors":%d,"refused":%d,' ..
    '"mean_us":%.0f,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d}\n',
    summary.requests, summary.duration, summary.bytes,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.errors.status, latency.mean, latency:percentile(50), latency:percentile(90),
    latency:percentile(99), latency.max))
end
