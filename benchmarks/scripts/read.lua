-- GET paths from a file, spread over all of them.
dofile(os.getenv("BENCH_SCRIPTS") .. "/common.lua")
local next_path = paths()

function request()
  return wrk.format("GET", next_path(), headers)
end
