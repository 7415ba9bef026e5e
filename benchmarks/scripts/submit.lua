-- Submit claims, each with another member, date and amount. Also sent to the bare endpoint.
dofile(os.getenv("BENCH_SCRIPTS") .. "/common.lua")

function request()
  return wrk.format("POST", os.getenv("BENCH_POST_PATH") or "/api/claims/", headers, claim_body())
end
