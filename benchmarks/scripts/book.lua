-- Ask for cost distributions, the guide's two services, each for another claim and patient. Also sent to the bare endpoint.
dofile(os.getenv("BENCH_SCRIPTS") .. "/common.lua")
local n = tonumber(os.getenv("BENCH_FIRST") or "0")
local patients = tonumber(os.getenv("BENCH_MEMBERS") or "1000")

function request()
  n = n + 1
  local body = string.format(
    '{"patientCR":"CR%07d","paymentMode":"sha","facilityFrCode":"FID-32-121583-3","claimID":"BENCH-%d",' ..
    '"services":[{"serviceCode":"F8735","serviceDate":"2026-03-%02dT10:51:00.000Z"},' ..
    '{"serviceCode":"F8736","serviceDate":"2026-04-%02dT14:30:00.000Z"}]}',
    n % patients, n, 1 + n % 28, 1 + n % 28)
  return wrk.format("POST", os.getenv("BENCH_POST_PATH") or "/hmis/v1/bookings/cost-distribution", headers, body)
end
