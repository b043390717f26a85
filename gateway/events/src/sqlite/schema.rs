//! The tables of a store's file, one migration per version.

/// The migrations; the file's `user_version` is the number of applied ones. A released migration must not change, because
/// existing files have applied it.
pub(super) const VERSIONS: [&str; 12] = [
    "
CREATE TABLE event(
  id INTEGER PRIMARY KEY,
  uid BLOB NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  dedup BLOB,
  kind TEXT NOT NULL,
  resource TEXT,
  key_id INTEGER NOT NULL,
  body BLOB NOT NULL,
  state INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  received_ms INTEGER NOT NULL,
  since_ms INTEGER NOT NULL,
  done_ms INTEGER,
  dead_reason TEXT,
  trace TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_dedup ON event(dedup) WHERE dedup IS NOT NULL;
CREATE INDEX event_due ON event(tenant, due_ms) WHERE state = 0;
CREATE INDEX event_log ON event(tenant, received_ms);
CREATE INDEX event_dead ON event(id) WHERE state = 2;
CREATE INDEX event_done ON event(done_ms) WHERE state = 1;
CREATE INDEX event_keys ON event(received_ms) WHERE dedup IS NOT NULL;
CREATE TABLE attempt(
  event INTEGER NOT NULL REFERENCES event(id) ON DELETE CASCADE,
  at_ms INTEGER NOT NULL,
  took_ms INTEGER NOT NULL,
  status INTEGER,
  error TEXT
) STRICT;
CREATE INDEX attempt_event ON attempt(event);
",
    "
ALTER TABLE attempt ADD COLUMN answer_key INTEGER;
ALTER TABLE attempt ADD COLUMN answer BLOB;
",
    // The use of each tenant, which triggers maintain: counting it for each batch would read all events. An event counts
    // as 512 bytes besides its body, an attempt as 128 bytes besides its answer.
    "
CREATE TABLE event_use(
  tenant TEXT PRIMARY KEY,
  events INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO event_use SELECT tenant, count(*), sum(length(body) + 512) FROM event GROUP BY tenant;
UPDATE event_use SET bytes = bytes + (
  SELECT coalesce(sum(128 + coalesce(length(answer), 0)), 0) FROM attempt JOIN event ON event.id = attempt.event
  WHERE event.tenant = event_use.tenant);
CREATE TRIGGER event_added AFTER INSERT ON event BEGIN
  INSERT INTO event_use VALUES (new.tenant, 1, length(new.body) + 512)
    ON CONFLICT (tenant) DO UPDATE SET events = events + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER attempt_added AFTER INSERT ON attempt BEGIN
  UPDATE event_use SET bytes = bytes + 128 + coalesce(length(new.answer), 0)
    WHERE tenant = (SELECT tenant FROM event WHERE id = new.event);
END;
CREATE TRIGGER event_removed BEFORE DELETE ON event BEGIN
  UPDATE event_use SET events = events - 1, bytes = bytes - length(old.body) - 512 - (
    SELECT coalesce(sum(128 + coalesce(length(answer), 0)), 0) FROM attempt WHERE event = old.id)
    WHERE tenant = old.tenant;
  DELETE FROM event_use WHERE tenant = old.tenant AND events <= 0;
END;
",
    // `seen` has the deduplication keys of deleted events; they count against the share of their tenant. `subscription` and
    // `webhook` are the customer of an event, `seal` is what its body is bound to. `refusals` counts the attempts in which
    // the portal rejected the event; `held` is 1 while the event waits because of its portal. The index of due times
    // contains the time of receipt, so that the backlog is counted from the index alone.
    "
CREATE TABLE seen(dedup BLOB PRIMARY KEY, at_ms INTEGER NOT NULL, tenant TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX seen_at ON seen(at_ms);
CREATE INDEX seen_tenant ON seen(tenant, at_ms);
CREATE TRIGGER event_seen AFTER DELETE ON event WHEN old.dedup IS NOT NULL BEGIN
  INSERT OR IGNORE INTO seen VALUES (old.dedup, old.received_ms, old.tenant);
END;
ALTER TABLE event_use ADD COLUMN keys INTEGER NOT NULL DEFAULT 0;
CREATE INDEX event_use_keys ON event_use(keys) WHERE keys > 0;
DROP TRIGGER event_added;
CREATE TRIGGER event_added AFTER INSERT ON event BEGIN
  INSERT INTO event_use(tenant, events, bytes) VALUES (new.tenant, 1, length(new.body) + 512)
    ON CONFLICT (tenant) DO UPDATE SET events = events + 1, bytes = bytes + excluded.bytes;
END;
DROP TRIGGER event_removed;
CREATE TRIGGER event_removed BEFORE DELETE ON event BEGIN
  UPDATE event_use SET events = events - 1, bytes = bytes - length(old.body) - 512 - (
    SELECT coalesce(sum(128 + coalesce(length(answer), 0)), 0) FROM attempt WHERE event = old.id)
    WHERE tenant = old.tenant;
  DELETE FROM event_use WHERE tenant = old.tenant AND events <= 0 AND keys <= 0;
END;
CREATE TRIGGER seen_added AFTER INSERT ON seen BEGIN
  INSERT INTO event_use VALUES (new.tenant, 0, 0, 1) ON CONFLICT (tenant) DO UPDATE SET keys = keys + 1;
END;
CREATE TRIGGER seen_removed AFTER DELETE ON seen BEGIN
  UPDATE event_use SET keys = keys - 1 WHERE tenant = old.tenant;
  DELETE FROM event_use WHERE tenant = old.tenant AND events <= 0 AND keys <= 0;
END;
DROP INDEX event_keys;
ALTER TABLE event ADD COLUMN subscription TEXT;
ALTER TABLE event ADD COLUMN webhook TEXT;
ALTER TABLE event ADD COLUMN seal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN class TEXT;
DROP INDEX event_due;
CREATE INDEX event_due ON event(tenant, due_ms, received_ms) WHERE state = 0;
CREATE INDEX event_held ON event(tenant, due_ms) WHERE state = 0 AND held = 1;
CREATE INDEX event_parked ON event(id) WHERE state = 3;
CREATE INDEX event_unbound ON event(id) WHERE subscription IS NULL AND state IN (0, 2);
",
    // Indexes for periodic queries, so that none of them scans the table.
    "
CREATE INDEX event_ended ON event(done_ms) WHERE state = 2;
CREATE INDEX event_unknown_key ON event(key_id) WHERE state = 3 AND dead_reason = 'unknown_key';
",
    // The last heartbeat of the gateway, by the system's clock.
    "
CREATE TABLE alive(
  id INTEGER PRIMARY KEY CHECK (id = 0),
  at_ms INTEGER NOT NULL,
  unsettled_ms INTEGER NOT NULL
) STRICT;
",
    // The ledger of started checks. A check or workflow run (`started`) waits for the results in `started_result`: its own,
    // and those of its reports. `source` is where an event comes from. The index of resources finds the events that were
    // notified before their check was noted.
    "
CREATE TABLE started(
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  subscription TEXT NOT NULL,
  webhook TEXT,
  kind INTEGER NOT NULL,
  subject TEXT NOT NULL,
  applicant TEXT,
  state INTEGER NOT NULL,
  started_ms INTEGER NOT NULL,
  overdue_ms INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  lookups INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  settled_ms INTEGER,
  trace TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX started_subject ON started(subject, tenant);
CREATE INDEX started_open ON started(tenant, due_ms, overdue_ms) WHERE state = 0;
CREATE INDEX started_at ON started(started_ms);
CREATE TABLE started_result(
  id INTEGER PRIMARY KEY,
  entry INTEGER NOT NULL REFERENCES started(id) ON DELETE CASCADE,
  subject TEXT NOT NULL,
  is_report INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,
  settled_ms INTEGER,
  event BLOB
) STRICT;
CREATE INDEX started_result_entry ON started_result(entry);
CREATE INDEX started_result_subject ON started_result(subject);
ALTER TABLE event ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
CREATE INDEX event_resource ON event(resource) WHERE resource IS NOT NULL;
",
    // How many of the last look-ups of an entry Onfido answered 404.
    "ALTER TABLE started ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;",
    // Whether only the notification of the check itself settles an entry, and not those of its reports.
    "ALTER TABLE started ADD COLUMN awaits_itself INTEGER NOT NULL DEFAULT 0;",
    // The writer finds an entry by its own result. An index of random ids has one page to write for almost every row.
    "DROP INDEX started_subject;",
    // The number of each tenant's entries of the ledger, which the writer raises by those of a batch at once.
    "
CREATE TABLE started_use(tenant TEXT PRIMARY KEY, entries INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO started_use SELECT tenant, count(*) FROM started GROUP BY tenant;
CREATE TRIGGER started_removed AFTER DELETE ON started BEGIN
  UPDATE started_use SET entries = entries - 1 WHERE tenant = old.tenant;
  DELETE FROM started_use WHERE tenant = old.tenant AND entries <= 0;
END;
",
    // The oldest settled entries of a tenant are deleted early.
    "CREATE INDEX started_settled ON started(tenant, started_ms) WHERE state <> 0;",
];
