//! The tables of the database, one migration per version.

/// The migrations; `event_version` has the numbers of the applied ones. A released migration must not change, because
/// existing databases have applied it.
pub(super) const VERSIONS: [&str; 10] = [
    "
CREATE TABLE event(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  uid uuid NOT NULL UNIQUE,
  tenant text NOT NULL,
  dedup bytea,
  kind text NOT NULL,
  resource text,
  key_id bigint NOT NULL,
  body bytea NOT NULL,
  state bigint NOT NULL,
  due timestamptz NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  epoch bigint NOT NULL DEFAULT 0,
  leased_until timestamptz,
  received timestamptz NOT NULL,
  since timestamptz NOT NULL,
  done timestamptz,
  dead_reason text,
  trace text NOT NULL
);
CREATE UNIQUE INDEX event_dedup ON event(dedup) WHERE dedup IS NOT NULL;
CREATE INDEX event_due ON event(tenant, due) WHERE state = 0;
CREATE INDEX event_log ON event(tenant, received);
CREATE INDEX event_dead ON event(id) WHERE state = 2;
CREATE INDEX event_done ON event(done) WHERE state = 1;
CREATE INDEX event_keys ON event(received) WHERE dedup IS NOT NULL;
CREATE TABLE attempt(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event bigint NOT NULL REFERENCES event(id) ON DELETE CASCADE,
  at timestamptz NOT NULL,
  took_ms bigint NOT NULL,
  status integer,
  error text
);
CREATE INDEX attempt_event ON attempt(event);
",
    "
ALTER TABLE attempt ADD COLUMN answer_key bigint;
ALTER TABLE attempt ADD COLUMN answer bytea;
",
    // The use of each tenant, as in SQLite. Each statement inserts rows with what it has changed: with one row per tenant,
    // gateways would wait for each other's lock on it. `compact_usage` merges the rows.
    "
CREATE TABLE event_use(tenant text NOT NULL, events bigint NOT NULL, bytes bigint NOT NULL);
CREATE FUNCTION event_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO event_use SELECT tenant, count(*), sum(octet_length(body) + 512) FROM added GROUP BY tenant;
  RETURN NULL;
END $$;
CREATE FUNCTION attempt_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO event_use SELECT tenant, 0, sum(128 + coalesce(octet_length(answer), 0))
    FROM added JOIN event ON event.id = added.event GROUP BY tenant;
  RETURN NULL;
END $$;
CREATE FUNCTION attempt_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO event_use SELECT tenant, 0, -sum(128 + coalesce(octet_length(answer), 0))
    FROM removed JOIN event ON event.id = removed.event GROUP BY tenant;
  RETURN NULL;
END $$;
CREATE FUNCTION event_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO event_use SELECT OLD.tenant, -1, -octet_length(OLD.body) - 512
    - coalesce(sum(128 + coalesce(octet_length(answer), 0)), 0) FROM attempt WHERE event = OLD.id;
  RETURN OLD;
END $$;
LOCK TABLE event, attempt IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO event_use SELECT tenant, count(*), sum(octet_length(body) + 512) FROM event GROUP BY tenant;
INSERT INTO event_use SELECT tenant, 0, sum(128 + coalesce(octet_length(answer), 0))
  FROM attempt JOIN event ON event.id = attempt.event GROUP BY tenant;
CREATE TRIGGER event_added AFTER INSERT ON event REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION event_added();
CREATE TRIGGER attempt_added AFTER INSERT ON attempt REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION attempt_added();
CREATE TRIGGER attempt_removed AFTER DELETE ON attempt REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION attempt_removed();
CREATE TRIGGER event_removed BEFORE DELETE ON event FOR EACH ROW EXECUTE FUNCTION event_removed();
",
    // As version 4 of the SQLite schema, where the columns are described.
    "
CREATE TABLE seen(dedup bytea PRIMARY KEY, at timestamptz NOT NULL, tenant text NOT NULL);
CREATE INDEX seen_at ON seen(at);
CREATE INDEX seen_tenant ON seen(tenant, at);
ALTER TABLE event_use ADD COLUMN keys bigint NOT NULL DEFAULT 0;
CREATE FUNCTION seen_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO event_use SELECT tenant, 0, 0, count(*) FROM added GROUP BY tenant;
  RETURN NULL;
END $$;
CREATE FUNCTION seen_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO event_use SELECT tenant, 0, 0, -count(*) FROM removed GROUP BY tenant;
  RETURN NULL;
END $$;
CREATE TRIGGER seen_added AFTER INSERT ON seen REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION seen_added();
CREATE TRIGGER seen_removed AFTER DELETE ON seen REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION seen_removed();
CREATE FUNCTION event_seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO seen SELECT dedup, received, tenant FROM removed WHERE dedup IS NOT NULL ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER event_seen AFTER DELETE ON event REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION event_seen();
DROP INDEX event_keys;
ALTER TABLE event ADD COLUMN subscription text;
ALTER TABLE event ADD COLUMN webhook text;
ALTER TABLE event ADD COLUMN seal integer NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN refusals integer NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN held integer NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN class text;
DROP INDEX event_due;
CREATE INDEX event_due ON event(tenant, due, received) WHERE state = 0;
CREATE INDEX event_held ON event(tenant, due) WHERE state = 0 AND held = 1;
CREATE INDEX event_parked ON event(id) WHERE state = 3;
CREATE INDEX event_unbound ON event(id) WHERE subscription IS NULL AND state IN (0, 2);
",
    // Indexes for periodic queries, so that none of them scans the table.
    "
CREATE INDEX event_ended ON event(done) WHERE state = 2;
CREATE INDEX event_unknown_key ON event(key_id) WHERE state = 3 AND dead_reason = 'unknown_key';
",
    // As version 7 of the SQLite schema, where the tables are described. `leased_until` is the claim of a gateway that looks
    // an entry up.
    "
CREATE TABLE started(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL,
  subscription text NOT NULL,
  webhook text,
  kind bigint NOT NULL,
  subject text NOT NULL,
  applicant text,
  state bigint NOT NULL,
  started timestamptz NOT NULL,
  overdue timestamptz NOT NULL,
  due timestamptz NOT NULL,
  leased_until timestamptz,
  lookups integer NOT NULL DEFAULT 0,
  error text,
  settled timestamptz,
  trace text NOT NULL
);
CREATE UNIQUE INDEX started_subject ON started(subject, tenant);
CREATE INDEX started_open ON started(tenant, due, overdue) WHERE state = 0;
CREATE INDEX started_at ON started(started);
CREATE TABLE started_result(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry bigint NOT NULL REFERENCES started(id) ON DELETE CASCADE,
  subject text NOT NULL,
  is_report bigint NOT NULL,
  state bigint NOT NULL DEFAULT 0,
  settled timestamptz,
  event uuid
);
CREATE INDEX started_result_entry ON started_result(entry);
CREATE INDEX started_result_subject ON started_result(subject);
ALTER TABLE event ADD COLUMN source bigint NOT NULL DEFAULT 0;
CREATE INDEX event_resource ON event(resource) WHERE resource IS NOT NULL;
",
    "ALTER TABLE started ADD COLUMN missing bigint NOT NULL DEFAULT 0;",
    "ALTER TABLE started ADD COLUMN awaits_itself bigint NOT NULL DEFAULT 0;",
    // The number of each tenant's entries of the ledger, in rows of changes, as in `event_use`.
    "
CREATE TABLE started_use(tenant text NOT NULL, entries bigint NOT NULL);
CREATE FUNCTION started_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO started_use SELECT tenant, count(*) FROM added GROUP BY tenant;
  RETURN NULL;
END $$;
CREATE FUNCTION started_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO started_use SELECT tenant, -count(*) FROM removed GROUP BY tenant;
  RETURN NULL;
END $$;
LOCK TABLE started IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO started_use SELECT tenant, count(*) FROM started GROUP BY tenant;
CREATE TRIGGER started_added AFTER INSERT ON started REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION started_added();
CREATE TRIGGER started_removed AFTER DELETE ON started REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION started_removed();
",
    // The oldest settled entries of a tenant are deleted early.
    "CREATE INDEX started_settled ON started(tenant, started) WHERE state <> 0;",
];
