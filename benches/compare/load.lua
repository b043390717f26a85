-- Calls under a tenant header; anything but 200 counts as failed. The first argument says which call, the second how long its
-- body is.
local calls = {
  small = { "GET", "/dcs/kyc2/applicants/1030303-123123-123123" },
  close = { "GET", "/dcs/kyc2/applicants/1030303-123123-123123" },
  download = { "GET", "/dcs/kyc2/documents/1030303-123123-123123/download" },
  check = { "POST", "/dcs/kyc2/checks" },
  upload = { "POST", "/dcs/kyc2/documents" },
}

init = function(arguments)
  local call = arguments[1]
  wrk.method, wrk.path = calls[call][1], calls[call][2]
  wrk.headers["SubscriptionId"] = "sub-777"
  wrk.headers["Authorization"] = "Token token=dummy"
  wrk.headers["Accept"] = "application/json"
  if call == "close" then
    wrk.headers["Connection"] = "close"
  end
  if call == "check" then
    wrk.headers["Content-Type"] = "application/json"
    wrk.body = '{"applicant_id":"1030303-123123-123123","report_names":["document","facial_similarity_photo"]}'
  end
  if call == "upload" then
    wrk.headers["Content-Type"] = "application/octet-stream"
    wrk.body = string.rep("x", tonumber(arguments[2]))
  end
end

done = function(summary, latency, _)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %.1f %.1f\n",
    summary.requests, failed, summary.duration, latency:percentile(50), latency:percentile(99)))
end
