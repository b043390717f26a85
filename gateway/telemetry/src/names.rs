//! The names of all metrics, in one list.
//!
//! Prometheus conventions: `kyc_gateway_<noun>_<unit>[_total]`, base units. Plugins take theirs from here too;
//! a third party's plugin brings its own under its own prefix.

/// Requests by route, tenant and status class.
pub const REQUESTS: &str = "kyc_gateway_requests_total";
/// Seconds from request head to the end of the answer, by route.
pub const REQUEST_DURATION: &str = "kyc_gateway_request_duration_seconds";
/// Seconds until the upstream's response head, by route.
pub const UPSTREAM_DURATION: &str = "kyc_gateway_upstream_duration_seconds";
/// The gateway's own refusals and failures by route and code.
pub const REFUSALS: &str = "kyc_gateway_refusals_total";
/// Callers refused by authentication, by route and reason: `secret`, `network`, `certificate`, `token`, and `tenant` for those
/// that may not act for the tenant they name.
pub const CALLERS_REFUSED: &str = "kyc_gateway_callers_refused_total";
/// 1 while the file of a caller's secret cannot be used and the previous secret stays valid, by route and secret.
pub const CALLER_SECRETS_UNUSABLE: &str = "kyc_gateway_caller_secrets_unusable";
/// Answers 401 and 403 of an upstream to our own credential, by tenant.
pub const UPSTREAM_DENIALS: &str = "kyc_gateway_upstream_denials_total";
/// Rejected calls, by tenant and reason: `in_flight` or `breaker`.
pub const UPSTREAM_REJECTED: &str = "kyc_gateway_upstream_calls_rejected_total";
/// 1 while the circuit breaker of an upstream is open, by tenant and upstream.
pub const UPSTREAM_OPEN: &str = "kyc_gateway_upstream_breaker_open";
/// Requests of tenants with a rate, by route, tenant and result: `passed`, `waited`, `refused`.
pub const RATE_LIMITED: &str = "kyc_gateway_rate_limit_requests_total";
/// Requests in flight.
pub const IN_FLIGHT: &str = "kyc_gateway_in_flight_requests";
/// Open downstream connections.
pub const CONNECTIONS: &str = "kyc_gateway_downstream_connections";
/// Connections that were closed before a request, by listener and reason: `listener_full`, `source_full`, `tls`,
/// `tls_late`, `accept`, with `proxy_protocol` also `no_balancer` and `proxy_protocol` (no valid header in time), and on the admin listener `displaced`.
pub const CONNECTIONS_REFUSED: &str = "kyc_gateway_downstream_connections_refused_total";
/// Connections that the gateway ended for what the peer did, by listener and reason: `control_frames`.
pub const CONNECTIONS_ENDED: &str = "kyc_gateway_downstream_connections_ended_total";
/// Unix time at which a listener's certificate expires.
pub const CERTIFICATE_EXPIRES: &str = "kyc_gateway_listener_certificate_expires_timestamp_seconds";
/// 1 while a listener's new certificate files are refused and the previous certificate stays in use.
pub const CERTIFICATE_FILES_REFUSED: &str = "kyc_gateway_listener_certificate_files_refused";
/// Unix time of the earliest `nextUpdate` of a listener's certificate revocation lists.
pub const REVOCATION_LISTS_EXPIRE: &str = "kyc_gateway_listener_revocation_lists_expire_timestamp_seconds";
/// Log lines dropped because standard output was not read.
pub const LOG_LINES_DROPPED: &str = "kyc_gateway_log_lines_dropped_total";
/// Log events that a collector (`seq`, `otlp`) accepted.
pub const LOG_EVENTS_EXPORTED: &str = "kyc_gateway_log_events_exported_total";
/// Log events dropped because a collector refused them or did not answer in time.
pub const LOG_EVENTS_DROPPED: &str = "kyc_gateway_log_events_dropped_total";
/// Log events that wait for a collector.
pub const LOG_EVENTS_WAITING: &str = "kyc_gateway_log_events_waiting";
/// Spans of sampled traces by result: `ended`, `exported`, `failed`. The difference waits or was dropped.
pub const SPANS: &str = "kyc_gateway_spans_total";
/// Tasks that panicked.
pub const PANICS: &str = "kyc_gateway_panics_total";
/// Version and build of this process.
pub const BUILD_INFO: &str = "kyc_gateway_build_info";
/// Tenants in the running snapshot.
pub const TENANTS: &str = "kyc_gateway_tenants";
/// Entries of the last document that were refused.
pub const TENANTS_REFUSED: &str = "kyc_gateway_tenants_refused";
/// Reads of the tenant source by result: `changed`, `unchanged`, `failed`.
pub const TENANT_POLLS: &str = "kyc_gateway_tenant_polls_total";
/// Unix time of the last successful read of the tenant source.
pub const TENANTS_REFRESHED: &str = "kyc_gateway_tenants_refreshed_timestamp_seconds";
/// Notifications by tenant and result.
pub const WEBHOOK_EVENTS: &str = "kyc_gateway_webhook_events_total";
/// Notifications accepted without a signature check (`signature = "off"`), by tenant.
pub const WEBHOOK_UNSIGNED: &str = "kyc_gateway_webhook_unsigned_total";
/// Seconds until a notification is durable.
pub const WEBHOOK_ACKNOWLEDGE_DURATION: &str = "kyc_gateway_webhook_acknowledge_duration_seconds";
/// Seconds of a commit of the event store.
pub const EVENT_STORE_COMMIT_DURATION: &str = "kyc_gateway_event_store_commit_duration_seconds";
/// Changes of a commit of the event store.
pub const EVENT_STORE_BATCH: &str = "kyc_gateway_event_store_batch_changes";
/// Batches that the event store did not commit.
pub const EVENT_STORE_FAILURES: &str = "kyc_gateway_event_store_commit_failures_total";
/// Changes that wait for a commit of the event store.
pub const EVENT_STORE_QUEUE: &str = "kyc_gateway_event_store_queue_changes";
/// Notifications that the event store did not take, by tenant and reason: `full`, `share`, `busy`, `keyless`, `away`,
/// `engine`, `damaged`, `wal`.
pub const EVENT_STORE_REFUSALS: &str = "kyc_gateway_event_store_refusals_total";
/// 1 once the event store was found damaged; new notifications are refused then.
pub const EVENT_STORE_DAMAGED: &str = "kyc_gateway_event_store_damaged";
/// Bytes of the write-ahead log of an event store in SQLite.
pub const EVENT_STORE_WAL: &str = "kyc_gateway_event_store_wal_bytes";
/// Bytes that events may still take in the event store.
pub const EVENT_STORE_FREE: &str = "kyc_gateway_event_store_free_bytes";
/// Tries to deliver a stored event by tenant and class: `delivered`, `transient`, `login`, `session`,
/// `endpoint`, `event`, `refused`, `internal` (the gateway panicked).
pub const DELIVERY_ATTEMPTS: &str = "kyc_gateway_delivery_attempts_total";
/// Stored events given up by tenant and reason: `rejected`, `exhausted`, `poison`.
pub const EVENTS_DEAD: &str = "kyc_gateway_events_dead_total";
/// Stored events that wait, by tenant.
pub const EVENTS_PENDING: &str = "kyc_gateway_events_pending";
/// Stored events that are kept and not tried, by tenant and reason: `unknown_key`, `unknown_customer`.
pub const EVENTS_PARKED: &str = "kyc_gateway_events_parked";
/// Seconds since the oldest waiting event was received, by tenant.
pub const EVENTS_OLDEST: &str = "kyc_gateway_events_oldest_age_seconds";
/// Seconds that the oldest due event is late, by tenant.
pub const EVENTS_LATE: &str = "kyc_gateway_events_oldest_due_age_seconds";
/// When the next waiting event of a tenant is due, by its own schedule, in Unix seconds.
pub const EVENTS_NEXT_DUE: &str = "kyc_gateway_events_next_due_timestamp_seconds";
/// Results of deliveries that the event store has not taken yet; nothing is delivered while there are any.
pub const RESULTS_UNRECORDED: &str = "kyc_gateway_delivery_results_unrecorded";
/// Whether deliveries to a tenant's portal are held: 0 closed, 1 half open, 2 open.
pub const DELIVERY_BREAKER: &str = "kyc_gateway_delivery_breaker_state";
/// 1 while deliveries to a tenant's portal are held, by tenant and reason: `unreachable`, `failing`, `login_refused`,
/// `retry_after`.
pub const DELIVERY_HELD: &str = "kyc_gateway_delivery_held";
/// When the dispatcher has read the event store last, in Unix seconds; absent where another process
/// delivers.
pub const DISPATCHER_HEARTBEAT: &str = "kyc_gateway_delivery_dispatcher_heartbeat_timestamp_seconds";
/// Seconds that a delivery took, login included, by dialect.
pub const WEBHOOK_DELIVERY_DURATION: &str = "kyc_gateway_webhook_delivery_duration_seconds";
/// Logins at portals by tenant and result.
pub const PORTAL_LOGINS: &str = "kyc_gateway_portal_logins_total";
/// Signing tokens fetched from Onfido by tenant and result.
pub const SIGNING_TOKEN_FETCHES: &str = "kyc_gateway_signing_token_fetches_total";
/// Checks that got `webhook_ids`, by what was done: `injected`, `kept`, `untouched`.
pub const CHECKS: &str = "kyc_gateway_checks_total";
/// Calls of operations that are not allowed, by route, tenant, operation (`operationId`, `tokens`, `unlisted`) and result:
/// `refused`, `reported`.
pub const OPERATIONS_REFUSED: &str = "kyc_gateway_operations_refused_total";
