-- Calls under a tenant header; anything but 2xx and 3xx counts as failed. The first argument says which call, the second how long its
-- body is.
local calls = {
  small = { "GET", "/dcs/kyc2/applicants/1030303-123123-123123" },
  close = { "GET", "/dcs/kyc2/applicants/1030303-123123-123123" },
  download = { "GET", "/dcs/kyc2/documents/1030303-123123-123123/download" },
  check = { "POST", "/dcs/kyc2/checks" },
  upload = { "POST", "/dcs/kyc2/documents" },
}

local json_of_check = '{"applicant_id":"1030303-123123-123123","report_names":["document","facial_similarity_photo"]}'

-- All calls of one check, one after the other: the applicant, both sides of a document, a photo of the face, the check, and twice
-- what became of it.
local function verification(picture)
  local function call(method, path, kind, body)
    local headers = { ["Content-Type"] = kind }
    for name, value in pairs(wrk.headers) do
      headers[name] = value
    end
    return wrk.format(method, "/dcs/kyc2/" .. path, headers, body)
  end
  local image = "application/octet-stream"
  local one = {
    call("POST", "applicants", "application/json", '{"first_name":"Jane","last_name":"Doe"}'),
    call("POST", "documents", image, picture),
    call("POST", "documents", image, picture),
    call("POST", "live_photos", image, picture),
    call("POST", "checks", "application/json", json_of_check),
    call("GET", "applicants/1030303-123123-123123"),
    call("GET", "applicants/1030303-123123-123123"),
  }
  local sent = 0
  return function()
    sent = sent + 1
    return one[(sent - 1) % #one + 1]
  end
end

init = function(arguments)
  local call = arguments[1]
  wrk.headers["SubscriptionId"] = "sub-777"
  wrk.headers["Authorization"] = "Token token=dummy"
  wrk.headers["Accept"] = "application/json"
  if call == "verification" then
    request = verification(string.rep("x", tonumber(arguments[2])))
    return
  end
  wrk.method, wrk.path = calls[call][1], calls[call][2]
  if call == "close" then
    wrk.headers["Connection"] = "close"
  end
  if call == "check" then
    wrk.headers["Content-Type"] = "application/json"
    wrk.body = json_of_check
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
