-- Three roles for a database of Telltale, each with no more than it needs. An
-- administrator runs this once, in that database:
--
--   telltale store roles | psql -d telltale
--
-- Then accounts are made members, such as
--
--   CREATE ROLE telltale_service LOGIN IN ROLE telltale_writer PASSWORD '…';
--
-- telltale_owner  owns the schema and migrates it: telltale store migrate
-- telltale_writer what the service runs as: rows, and partitions by way of two functions
-- telltale_reader dashboards and reports: reads
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['telltale_owner', 'telltale_writer', 'telltale_reader'] LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = name) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', name);
    END IF;
  END LOOP;
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO telltale_owner, telltale_writer, telltale_reader', current_database());
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO telltale_writer', current_database()); -- rows that are written over
END $$;
CREATE SCHEMA IF NOT EXISTS telltale AUTHORIZATION telltale_owner;
GRANT USAGE ON SCHEMA telltale TO telltale_writer, telltale_reader;
-- Only for store.require_synchronous: to see whether a standby is connected.
GRANT pg_read_all_stats TO telltale_writer;
