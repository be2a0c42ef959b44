-- Posts the lines of a file as JSON bodies, one after another: wrk -s wrk.lua URL -- FILE
-- Prints its figures as a JSON object in the last line.
local bodies, i = {}, 0

function init(arguments)
  local headers = {["Content-Type"] = "application/json"}
  for line in io.lines(arguments[1]) do
    bodies[#bodies + 1] = wrk.format("POST", nil, headers, line)
  end
end

function request()
  i = i % #bodies + 1
  return bodies[i]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "median_ms": %f, "p95_ms": %f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
