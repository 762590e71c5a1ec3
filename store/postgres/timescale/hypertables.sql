-- In place of weekly partitions where TimescaleDB is installed: hypertables, compressed
-- after two weeks, and a continuous aggregate of the risks. Not tested with the extension.
CREATE FUNCTION now_ns() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT (extract(epoch FROM now()) * 1e9)::bigint';
DO $$
DECLARE
  t record;
BEGIN
  FOR t IN SELECT * FROM (VALUES ('frame', 'asset, channel', 'time, window_s, schema'), ('spectrum', 'asset, channel, kind', 'time'),
      ('risk', 'asset, component', 'time'), ('score', 'model, asset, component', 'time')) v (name, segment, sort) LOOP
    EXECUTE format('CREATE TABLE plain (LIKE %I INCLUDING ALL)', t.name);
    EXECUTE format('DROP TABLE %I CASCADE', t.name);
    EXECUTE format('ALTER TABLE plain RENAME TO %I', t.name);
    PERFORM {timescale}.create_hypertable(t.name::regclass, 'time', chunk_time_interval => 604800000000000, create_default_indexes => false);
    PERFORM {timescale}.set_integer_now_func(t.name::regclass, 'now_ns');
    EXECUTE format('ALTER TABLE %I SET (timescaledb.compress, timescaledb.compress_segmentby = %L, timescaledb.compress_orderby = %L)', t.name, t.segment, t.sort);
    PERFORM {timescale}.add_compression_policy(t.name::regclass, 1209600000000000);
  END LOOP;
END $$;

CREATE MATERIALIZED VIEW risk_hourly WITH (timescaledb.continuous) AS
  SELECT {timescale}.time_bucket(3600000000000, time) AS hour, asset, component, max(risk) AS risk, max(p_fail_48h) AS p_fail_48h, min(rul_p50_h) AS rul_p50_h
  FROM risk GROUP BY 1, 2, 3 WITH NO DATA;
SELECT {timescale}.add_continuous_aggregate_policy('risk_hourly', start_offset => 259200000000000, end_offset => 3600000000000, schedule_interval => INTERVAL '1 hour');

CREATE OR REPLACE FUNCTION make_partitions(at bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN -- the extension makes its chunks by itself
END $$;
CREATE OR REPLACE FUNCTION drop_partition(before bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = {schema}, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  parent text;
BEGIN
  FOREACH parent IN ARRAY ARRAY['frame', 'spectrum', 'risk', 'score'] LOOP
    PERFORM {timescale}.drop_chunks(parent::regclass, older_than => before);
  END LOOP;
  RETURN NULL; -- what the extension drops at once it does not count
END $$;
CREATE VIEW risk_at AS SELECT to_timestamp(time / 1e9) AS at, * FROM risk;
CREATE VIEW feature_at AS
  SELECT to_timestamp(f.time / 1e9) AS at, f.asset, d.field ->> 'Channel' AS channel, f.window_s, d.field ->> 'Name' AS name, d.field ->> 'Unit' AS unit,
    nullif(f.vals[d.nr], 'NaN') AS value, nullif(f.reasons[d.nr], '') AS reason
  FROM frame f JOIN schema s ON s.id = f.schema CROSS JOIN LATERAL json_array_elements(s.fields) WITH ORDINALITY d (field, nr);
