-- One submission for every four reads.
dofile(os.getenv("BENCH_SCRIPTS") .. "/common.lua")
local next_path = paths()
local turn = 0

function request()
  turn = turn + 1
  if turn % 5 == 0 then return wrk.format("POST", "/api/claims/", headers, claim_body()) end
  return wrk.format("GET", next_path(), headers)
end
