-- apps/gateway/schema.sql - where the gateways of one cluster keep bundles: PostgreSQL 13 or newer, no extensions.
--
-- Every gateway runs all of this whenever it connects: it is one transaction behind one lock, and changes nothing that is
-- there. A schema of a newer version is left alone, and the gateway says so.
--
-- One row a bundle, in partitions by the day of its header's expiry (days since 2025-01-01): what has expired is dropped
-- by the table. An id always has the same day, so that the primary key is exact over all partitions. Delivered is a
-- row without a body: the id is remembered until it would have expired anyway. `change` is the transaction that wrote
-- the row last: unlike a sequence it can be compared with a snapshot, which tells a reader what may still become visible behind him.
SET client_min_messages = warning;
SELECT pg_advisory_xact_lock(7382117);
CREATE TABLE IF NOT EXISTS staffetta_schema (version int NOT NULL);
DO $$ BEGIN
  IF (SELECT max(version) FROM staffetta_schema) > 1 THEN
    RAISE EXCEPTION 'the schema is of version %, newer than this gateway, which wants 1', (SELECT max(version) FROM staffetta_schema);
  END IF;
END $$;

CREATE TABLE IF NOT EXISTS bundles (
  day      int4        NOT NULL,
  id       bytea       NOT NULL,
  bucket   int4        NOT NULL,
  deadline timestamptz NOT NULL,                                  -- by the database's clock, counted from what was left of its life
  source   int8        NOT NULL,                                  -- the gateway that wrote it last, a random number
  change   xid8        NOT NULL DEFAULT pg_current_xact_id(),
  hops     int4        NOT NULL,
  body     bytea,                                                 -- NULL: delivered
  PRIMARY KEY (day, id)
) PARTITION BY RANGE (day);
ALTER TABLE bundles ALTER COLUMN body SET STORAGE EXTERNAL;       -- sealed bytes do not compress
CREATE TABLE IF NOT EXISTS bundles_other PARTITION OF bundles DEFAULT;   -- of senders whose clock is wrong by years
CREATE INDEX IF NOT EXISTS bundles_change ON bundles (change, day, id);
CREATE INDEX IF NOT EXISTS bundles_bucket ON bundles ((bucket >> 16), day, id) WHERE body IS NOT NULL;

-- Makes the partitions of the coming days and drops those of the past. `today` is the gateway's day: nothing is dropped
-- while the two clocks differ.
CREATE OR REPLACE FUNCTION staffetta_tend(today int4) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ours int4 := floor(extract(epoch FROM now() - timestamptz '2025-01-01 00:00 UTC') / 86400);
  part name;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7382118) THEN RETURN; END IF;
  IF abs(ours - today) > 1 THEN
    RAISE EXCEPTION 'the clocks of the gateway and of the database differ by % days', abs(ours - today);
  END IF;
  FOR d IN ours - 1 .. ours + 16 LOOP
    IF to_regclass('bundles_' || d) IS NULL AND NOT EXISTS (SELECT 1 FROM bundles_other WHERE day = d) THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF bundles FOR VALUES FROM (%s) TO (%s)', 'bundles_' || d, d, d + 1);
    END IF;
  END LOOP;
  FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
              WHERE i.inhparent = 'bundles'::regclass AND c.relname ~ '^bundles_[0-9]+$'
                AND substr(c.relname, 9)::int4 < ours - 1 LOOP
    EXECUTE format('DROP TABLE %I', part);
  END LOOP;
  DELETE FROM bundles_other WHERE deadline < now();
END $$;

INSERT INTO staffetta_schema SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM staffetta_schema);
SET statement_timeout = '15s';
SET lock_timeout = '5s';
SET synchronous_commit = on;
SELECT current_setting('synchronous_standby_names'), current_setting('fsync');
