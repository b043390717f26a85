-- One GET under a tenant header; anything but 200 counts as failed.
wrk.headers["SubscriptionId"] = "sub-777"
wrk.headers["Authorization"] = "Token token=dummy"
wrk.headers["Accept"] = "application/json"

done = function(summary, latency, _)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %.1f %.1f\n",
    summary.requests, failed, summary.duration, latency:percentile(50), latency:percentile(99)))
end
