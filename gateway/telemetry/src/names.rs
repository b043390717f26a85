//! The names of all metrics of the gateway and of its own plugins.
//!
//! Names follow the Prometheus conventions: `kyc_gateway_<noun>_<unit>[_total]`, in base units. Plugins of third parties define
//! their own names with their own prefix. The doc comments here are the text of `docs/reference/metrics.md`.

/// Requests by route, tenant and status class.
pub const REQUESTS: &str = "kyc_gateway_requests_total";
/// Seconds from the request head to the end of the response, by route.
pub const REQUEST_DURATION: &str = "kyc_gateway_request_duration_seconds";
/// Seconds from the request head to the end of the response, by route and tenant, in fewer buckets. Tenants of a route after its
/// first 200 share the tenant `(other)`.
pub const TENANT_REQUEST_DURATION: &str = "kyc_gateway_tenant_request_duration_seconds";
/// Seconds from the request head to the response head of Onfido, by operation (`operationId`, `tokens`, `unlisted`).
pub const OPERATION_DURATION: &str = "kyc_gateway_operation_duration_seconds";
/// Seconds from the request head to the response head of the upstream, by route.
pub const UPSTREAM_DURATION: &str = "kyc_gateway_upstream_duration_seconds";
/// Requests that the gateway itself refused or failed, by route and error code.
pub const REFUSALS: &str = "kyc_gateway_refusals_total";
/// Requests refused by caller authentication, by route and reason: `secret`, `network`, `certificate`, `token`, or `tenant`
/// when the caller may not act for the tenant that the request names.
pub const CALLERS_REFUSED: &str = "kyc_gateway_callers_refused_total";
/// 1 while the file of a caller's secret cannot be used and the previous secret stays valid, by route and secret.
pub const CALLER_SECRETS_UNUSABLE: &str = "kyc_gateway_caller_secrets_unusable";
/// Responses 401 and 403 of an upstream to the tenant's credential, by tenant.
pub const UPSTREAM_DENIALS: &str = "kyc_gateway_upstream_denials_total";
/// Fetches of access tokens for tenants with an OAuth client, by tenant and result: `ok`, `refused` (`clientId` and `clientSecret`
/// are wrong or revoked), `rate_limited`, `failed`.
pub const ACCESS_TOKEN_FETCHES: &str = "kyc_gateway_access_token_fetches_total";
/// Unix time until which a tenant's access token is used, for tenants with an OAuth client and calls in the last hour. It is in the
/// past while no other token can be fetched, or no call needs one.
pub const ACCESS_TOKEN_EXPIRES: &str = "kyc_gateway_access_token_expires_timestamp_seconds";
/// Calls to an upstream that the gateway rejected, by tenant and reason: `in_flight` (concurrency limit) or `breaker` (circuit
/// breaker open).
pub const UPSTREAM_REJECTED: &str = "kyc_gateway_upstream_calls_rejected_total";
/// 1 while the circuit breaker of an upstream is open, by tenant and upstream.
pub const UPSTREAM_OPEN: &str = "kyc_gateway_upstream_breaker_open";
/// Requests of tenants with a rate limit, by route, tenant and result: `passed`, `waited`, `refused`.
pub const RATE_LIMITED: &str = "kyc_gateway_rate_limit_requests_total";
/// Requests in flight.
pub const IN_FLIGHT: &str = "kyc_gateway_in_flight_requests";
/// Open downstream connections.
pub const CONNECTIONS: &str = "kyc_gateway_downstream_connections";
/// Limit of open connections, by listener.
pub const CONNECTIONS_LIMIT: &str = "kyc_gateway_downstream_connections_limit";
/// Connections that the gateway closed before their first request, by listener and reason: `listener_full`, `source_full`,
/// `tls`, `tls_late`, `accept`, with `proxy_protocol` also `no_balancer` and `proxy_protocol` (no valid header in time), and on
/// the admin listener `displaced`.
pub const CONNECTIONS_REFUSED: &str = "kyc_gateway_downstream_connections_refused_total";
/// Connections that the gateway closed because the peer abused the protocol, by listener and reason: `control_frames` (HTTP/2).
pub const CONNECTIONS_ENDED: &str = "kyc_gateway_downstream_connections_ended_total";
/// Unix time at which a listener's certificate expires.
pub const CERTIFICATE_EXPIRES: &str = "kyc_gateway_listener_certificate_expires_timestamp_seconds";
/// 1 while a listener's new certificate files are not valid and the previous certificate stays in use.
pub const CERTIFICATE_FILES_REFUSED: &str = "kyc_gateway_listener_certificate_files_refused";
/// Unix time at which the first of a listener's client authorities (`client_ca_file`) expires.
pub const CLIENT_CA_EXPIRES: &str = "kyc_gateway_listener_client_ca_expires_timestamp_seconds";
/// Unix time of the earliest `nextUpdate` of a listener's certificate revocation lists.
pub const REVOCATION_LISTS_EXPIRE: &str = "kyc_gateway_listener_revocation_lists_expire_timestamp_seconds";
/// Log lines dropped because standard output or the log files were not written fast enough.
pub const LOG_LINES_DROPPED: &str = "kyc_gateway_log_lines_dropped_total";
/// Log events that a collector (`seq`, `otlp`) accepted.
pub const LOG_EVENTS_EXPORTED: &str = "kyc_gateway_log_events_exported_total";
/// Log events dropped because a collector refused them or because the queue was full.
pub const LOG_EVENTS_DROPPED: &str = "kyc_gateway_log_events_dropped_total";
/// Log events in the queue for a collector.
pub const LOG_EVENTS_WAITING: &str = "kyc_gateway_log_events_waiting";
/// Spans of sampled traces by result: `ended`, `exported`, `failed`. `ended` minus the other two is the number of spans that
/// are queued or were dropped because the queue was full.
pub const SPANS: &str = "kyc_gateway_spans_total";
/// Panics of tasks.
pub const PANICS: &str = "kyc_gateway_panics_total";
/// Version, commit, date of the commit and compiler of this process, as labels; the value is always 1.
pub const BUILD_INFO: &str = "kyc_gateway_build_info";
/// CPU time of the process in user and system mode, in seconds.
pub const PROCESS_CPU: &str = "process_cpu_seconds_total";
/// Open file descriptors of the process.
pub const PROCESS_FDS: &str = "process_open_fds";
/// Limit of open file descriptors.
pub const PROCESS_FDS_LIMIT: &str = "process_max_fds";
/// Size of the resident memory (RSS), in bytes.
pub const PROCESS_MEMORY: &str = "process_resident_memory_bytes";
/// Size of the virtual memory, in bytes.
pub const PROCESS_VIRTUAL_MEMORY: &str = "process_virtual_memory_bytes";
/// Unix time at which the process started.
pub const PROCESS_START: &str = "process_start_time_seconds";
/// Threads of the process.
pub const PROCESS_THREADS: &str = "process_threads";
/// 1 while `/readyz` answers 200, 0 while it answers 503.
pub const READY: &str = "kyc_gateway_ready";
/// Tenants in the running snapshot.
pub const TENANTS: &str = "kyc_gateway_tenants";
/// Tenants of the last document that the gateway refused because their entries are not valid.
pub const TENANTS_REFUSED: &str = "kyc_gateway_tenants_refused";
/// Tenants that the newest document would remove and that stay in use, because it removes every tenant or more than half of them
/// and no operator has confirmed it; 0 when the newest document is in use.
pub const TENANTS_REMOVAL_REFUSED: &str = "kyc_gateway_tenants_removal_refused";
/// Reads of the tenant source by result: `changed`, `unchanged`, `refused` (the document removes most of the tenants), `failed`.
pub const TENANT_POLLS: &str = "kyc_gateway_tenant_polls_total";
/// Unix time of the last successful read of the tenant source.
pub const TENANTS_REFRESHED: &str = "kyc_gateway_tenants_refreshed_timestamp_seconds";
/// Time between two reads of the tenant source (`tenants.poll`), in seconds, rounded up.
pub const TENANTS_POLL: &str = "kyc_gateway_tenants_poll_interval_seconds";
/// Age of the tenant document from which on the gateway is not ready (`tenants.max_age`), in seconds; absent without it.
pub const TENANTS_MAX_AGE: &str = "kyc_gateway_tenants_max_age_seconds";
/// 1 while something is wrong with a tenant's Onfido account or portal, by tenant and code; absent otherwise. The codes are in
/// [Tenants that drift](../operations/doctor.md).
pub const TENANT_FINDINGS: &str = "kyc_gateway_tenant_findings";
/// 1 while a probe of a tenant cannot tell whether something is wrong, by tenant and probe: `credential`, `webhook`, `clock`,
/// `portal`; absent otherwise.
pub const TENANT_PROBES_UNKNOWN: &str = "kyc_gateway_tenant_probes_unknown";
/// Notifications by tenant and result: `stored`, `revived` (received again after it was dead), `duplicate`, `dead` (the body is
/// not an event), `ignored` (not selected by `events`), `delivered` or `withheld` (`delivery.mode = "direct"`), `abandoned` (the
/// sender left before the response), or an error code.
pub const WEBHOOK_EVENTS: &str = "kyc_gateway_webhook_events_total";
/// Notifications that were answered 200 and are not delivered, because neither `events` of the tenant nor the setting `events` of
/// the route names their kind, by tenant and kind; a kind that the gateway does not know is `other`. Kinds that the tenant maps to
/// null are not counted.
pub const WEBHOOK_EVENTS_DROPPED: &str = "kyc_gateway_webhook_events_dropped_total";
/// Notifications accepted without a signature check (`signature = "off"`), by tenant.
pub const WEBHOOK_UNSIGNED: &str = "kyc_gateway_webhook_unsigned_total";
/// Seconds that it took to store a notification durably.
pub const WEBHOOK_ACKNOWLEDGE_DURATION: &str = "kyc_gateway_webhook_acknowledge_duration_seconds";
/// Seconds that a commit of the event store took.
pub const EVENT_STORE_COMMIT_DURATION: &str = "kyc_gateway_event_store_commit_duration_seconds";
/// Number of changes in a commit of the event store.
pub const EVENT_STORE_BATCH: &str = "kyc_gateway_event_store_batch_changes";
/// Commits of the event store that failed.
pub const EVENT_STORE_FAILURES: &str = "kyc_gateway_event_store_commit_failures_total";
/// Changes queued for a commit of the event store.
pub const EVENT_STORE_QUEUE: &str = "kyc_gateway_event_store_queue_changes";
/// Notifications that the event store refused, by tenant and reason: `full`, `share`, `busy`, `keyless`, `away`, `engine`,
/// `damaged`, `wal`.
pub const EVENT_STORE_REFUSALS: &str = "kyc_gateway_event_store_refusals_total";
/// 1 after the gateway found the event store damaged; it then refuses new notifications.
pub const EVENT_STORE_DAMAGED: &str = "kyc_gateway_event_store_damaged";
/// Size of the write-ahead log of a SQLite event store, in bytes.
pub const EVENT_STORE_WAL: &str = "kyc_gateway_event_store_wal_bytes";
/// Bytes that are free for events in the event store.
pub const EVENT_STORE_FREE: &str = "kyc_gateway_event_store_free_bytes";
/// Size of a SQLite event store from which on notifications are refused (`events.max_size`), in bytes.
pub const EVENT_STORE_MAX: &str = "kyc_gateway_event_store_max_bytes";
/// Size of a SQLite event store's write-ahead log from which on notifications are refused (`events.max_wal_size`), in bytes.
pub const EVENT_STORE_MAX_WAL: &str = "kyc_gateway_event_store_max_wal_bytes";
/// Number of one tenant's events from which on its notifications are refused (`events.max_events_per_tenant`).
pub const EVENT_STORE_MAX_EVENTS: &str = "kyc_gateway_event_store_max_tenant_events";
/// Age at which an event becomes a dead letter (`delivery.give_up`), in seconds.
pub const DELIVERY_GIVE_UP: &str = "kyc_gateway_delivery_give_up_seconds";
/// Longest wait between two probes of a held portal (`delivery.breaker_longest`), in seconds, rounded up.
pub const DELIVERY_PROBE_INTERVAL: &str = "kyc_gateway_delivery_probe_interval_seconds";
/// Attempts to deliver a stored event, by tenant and class: `delivered`, `transient` (no response, or a status that may pass),
/// `login` (login refused), `session` (session refused after a new login), `endpoint` (wrong address or role), `event` (event
/// rejected by status), `refused` (failure reported with a success status), `lookup` (nothing was sent, because the environment of the resource could
/// not be looked up), `internal` (the gateway panicked).
pub const DELIVERY_ATTEMPTS: &str = "kyc_gateway_delivery_attempts_total";
/// Seconds from the receipt of a notification to its delivery, with all retries, by tenant. Tenants after the first 200 share the
/// tenant `(other)`. Events that are not delivered are not in it: see `kyc_gateway_events_dead_total` and
/// `kyc_gateway_events_oldest_age_seconds`.
pub const DELIVERY_DELAY: &str = "kyc_gateway_delivery_delay_seconds";
/// Look-ups of resources at Onfido for the delivery of an event, by tenant and result: `found`, or why there is no resource.
pub const DELIVERY_LOOKUPS: &str = "kyc_gateway_delivery_lookups_total";
/// Events that were not delivered because the tenant's portal does not take results of their environment, by tenant and
/// environment: `live`, `sandbox`, or `unknown` for a resource that Onfido does not have (any more).
pub const DELIVERY_WITHHELD: &str = "kyc_gateway_delivery_withheld_total";
/// Stored events that the gateway stopped delivering (dead letters), by tenant and reason: `rejected`, `exhausted`, `poison`,
/// `environment` (the portal does not take results of the environment of the resource).
pub const EVENTS_DEAD: &str = "kyc_gateway_events_dead_total";
/// Started checks and workflow runs whose result is not known yet, by tenant.
pub const LEDGER_OPEN: &str = "kyc_gateway_ledger_open";
/// Started checks and workflow runs whose result is overdue, by tenant.
pub const LEDGER_OVERDUE: &str = "kyc_gateway_ledger_overdue";
/// Seconds by which the oldest overdue result of the ledger is late, by tenant.
pub const LEDGER_LATE: &str = "kyc_gateway_ledger_late_seconds";
/// Results of the ledger that were settled, by tenant and by what: `notification`, `look_up`.
pub const LEDGER_SETTLED: &str = "kyc_gateway_ledger_settled_total";
/// Entries of the ledger that wait in memory, because the event store did not take them in time.
pub const LEDGER_UNWRITTEN: &str = "kyc_gateway_ledger_unwritten_entries";
/// Started checks and workflow runs that are not in the ledger, by tenant and reason: `not_stored` (the memory for unwritten ones was
/// full, or the gateway ended), `share` (`events.max_checks_per_tenant`).
pub const LEDGER_LOST: &str = "kyc_gateway_ledger_lost_total";
/// Seconds from the start of a check or workflow run to the delivery of its result, by tenant. Tenants after the first 200 share the
/// tenant `(other)`.
pub const LEDGER_DELIVERY_DURATION: &str = "kyc_gateway_ledger_start_to_delivery_seconds";
/// Stored events that wait for delivery, by tenant.
pub const EVENTS_PENDING: &str = "kyc_gateway_events_pending";
/// Stored events that are kept but cannot be delivered, by tenant and reason: `unknown_key`, `unknown_customer`.
pub const EVENTS_PARKED: &str = "kyc_gateway_events_parked";
/// Age of the oldest event that waits for delivery, in seconds since it was received, by tenant.
pub const EVENTS_OLDEST: &str = "kyc_gateway_events_oldest_age_seconds";
/// Seconds since the oldest overdue event was due, by tenant.
pub const EVENTS_LATE: &str = "kyc_gateway_events_oldest_due_age_seconds";
/// Unix time at which the next event of a tenant is due by its retry schedule.
pub const EVENTS_NEXT_DUE: &str = "kyc_gateway_events_next_due_timestamp_seconds";
/// Results of deliveries that are not yet recorded in the event store; the gateway delivers nothing while there are any.
pub const RESULTS_UNRECORDED: &str = "kyc_gateway_delivery_results_unrecorded";
/// State of the circuit breaker of a tenant's portal: 0 closed, 1 half open, 2 open.
pub const DELIVERY_BREAKER: &str = "kyc_gateway_delivery_breaker_state";
/// 1 while the gateway holds back deliveries to a tenant's portal, by tenant and reason: `unreachable`, `failing`,
/// `login_refused`, `retry_after`.
pub const DELIVERY_HELD: &str = "kyc_gateway_delivery_held";
/// Unix time at which the dispatcher last read the event store; absent in a process that delivers nothing because another
/// one does.
pub const DISPATCHER_HEARTBEAT: &str = "kyc_gateway_delivery_dispatcher_heartbeat_timestamp_seconds";
/// Seconds that a delivery to a portal took, including the login, by dialect.
pub const WEBHOOK_DELIVERY_DURATION: &str = "kyc_gateway_webhook_delivery_duration_seconds";
/// Logins at portals by tenant and result: `ok`, `refused` (400, 401, 403 or no token in the response), `failed`.
pub const PORTAL_LOGINS: &str = "kyc_gateway_portal_logins_total";
/// Fetches of signing tokens from Onfido by tenant and result: `ok`, `denied` (401 or 403), `failed`.
pub const SIGNING_TOKEN_FETCHES: &str = "kyc_gateway_signing_token_fetches_total";
/// Requests to create a check, by what the gateway did with `webhook_ids`: `injected`, `kept`, `untouched`.
pub const CHECKS: &str = "kyc_gateway_checks_total";
/// Started checks and workflow runs that are not in the ledger because their response could not be read, by reason: `encoded` (it has
/// a content coding although the gateway asked for none), `not_json`, `without_id`, `status` (a success other than 201).
pub const LEDGER_UNREAD: &str = "kyc_gateway_ledger_unread_total";
/// Look-ups of overdue results at Onfido, by tenant and result: `found` (a result that was not notified is delivered), `incomplete`,
/// the end of the entry (`notified`, `withdrawn`, `cancelled`, `deleted`, `erased`, `no_webhook`), `not_stored`, or why Onfido gave no
/// answer, such as `not_found`, `rate_limited`, `credential_refused`, `unavailable`, `timeout`.
pub const RECONCILIATION_LOOKUPS: &str = "kyc_gateway_reconciliation_lookups_total";
/// Calls of operations that are not allowed, by route, tenant, operation (`operationId`, `tokens`, `unlisted`) and result:
/// `refused`, `reported`.
pub const OPERATIONS_REFUSED: &str = "kyc_gateway_operations_refused_total";
