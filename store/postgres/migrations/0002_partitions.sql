-- Whoever writes makes and drops partitions by these two functions, which run as the
-- owner: it needs no right to define anything else. A partition is a week, from Monday.

-- make_partitions makes the week of an instant, and the one after it.
CREATE FUNCTION make_partitions(at bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
  week CONSTANT bigint := 604800000000000;
  monday CONSTANT bigint := 345600000000000; -- 1970-01-05
  base bigint := at - (((at - monday) % week) + week) % week;
  parent text;
  part text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('telltale partitions'), hashtext('{schema}'));
  FOREACH parent IN ARRAY ARRAY['frame', 'spectrum', 'risk', 'score'] LOOP
    FOR n IN 0..1 LOOP
      part := parent || to_char(to_timestamp((base + n * week) / 1000000000) AT TIME ZONE 'UTC', '_YYYY_MM_DD');
      IF to_regclass(quote_ident(part)) IS NULL THEN
        -- Attached, not made as a partition: so nobody who reads or writes has to wait.
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', parent, part, base + n * week, base + (n + 1) * week);
      END IF;
    END LOOP;
  END LOOP;
END $$;

-- drop_partition drops the oldest week that ends by an instant and says how many rows that
-- were, NULL when there is none; a component's latest risk is not forgotten with them. One
-- at a time, and giving way to long readers, since writers wait behind a drop that waits.
CREATE FUNCTION drop_partition(before bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = {schema}, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  part record;
  n bigint;
  spared bigint := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('telltale partitions'), hashtext('{schema}'));
  SELECT p.relname AS parent, c.relname AS name, b.low, b.high INTO part
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent,
    LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS text) e,
    LATERAL (SELECT substring(e.text FROM 'FROM \(''?(-?\d+)''?\)')::bigint AS low, substring(e.text FROM 'TO \(''?(-?\d+)''?\)')::bigint AS high) b
    WHERE i.inhparent IN ('frame'::regclass, 'spectrum'::regclass, 'risk'::regclass, 'score'::regclass) AND b.high <= before
    ORDER BY b.low, p.relname LIMIT 1;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  EXECUTE format('SELECT count(*) FROM %I', part.name) INTO n;
  IF part.parent = 'risk' THEN
    SELECT count(*) INTO spared FROM risk_latest WHERE time >= part.low AND time < part.high;
  END IF;
  EXECUTE format('DROP TABLE %I', part.name);
  RETURN n - spared;
END $$;
REVOKE ALL ON FUNCTION make_partitions(bigint), drop_partition(bigint) FROM PUBLIC;

-- The same with times that people read.
CREATE VIEW risk_at AS SELECT to_timestamp(time / 1e9) AS at, * FROM risk;
CREATE VIEW feature_at AS
  SELECT to_timestamp(f.time / 1e9) AS at, f.asset, d.field ->> 'Channel' AS channel, f.window_s, d.field ->> 'Name' AS name, d.field ->> 'Unit' AS unit,
    nullif(f.vals[d.nr], 'NaN') AS value, nullif(f.reasons[d.nr], '') AS reason
  FROM frame f JOIN schema s ON s.id = f.schema CROSS JOIN LATERAL json_array_elements(s.fields) WITH ORDINALITY d (field, nr);
