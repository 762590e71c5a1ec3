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

-- drop_partitions drops the weeks that end by an instant and says how many rows that were;
-- a component's latest risk is not forgotten with them. It gives way to long readers.
CREATE FUNCTION drop_partitions(before bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = {schema}, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
  part record;
  n bigint;
  total bigint := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('telltale partitions'), hashtext('{schema}'));
  FOR part IN
    SELECT p.relname AS parent, c.relname AS name, substring(pg_get_expr(c.relpartbound, c.oid) FROM 'FROM \(''?(-?\d+)''?\)')::bigint AS low,
      substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''?(-?\d+)''?\)')::bigint AS high
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
    WHERE i.inhparent IN ('frame'::regclass, 'spectrum'::regclass, 'risk'::regclass, 'score'::regclass)
    ORDER BY 1, 3
  LOOP
    CONTINUE WHEN part.high > before;
    EXECUTE format('SELECT count(*) FROM %I', part.name) INTO n;
    total := total + n;
    IF part.parent = 'risk' THEN
      SELECT count(*) INTO n FROM risk_latest WHERE time >= part.low AND time < part.high;
      total := total - n;
    END IF;
    EXECUTE format('DROP TABLE %I', part.name);
  END LOOP;
  RETURN total;
END $$;
REVOKE ALL ON FUNCTION make_partitions(bigint), drop_partitions(bigint) FROM PUBLIC;

-- The same with times that people read.
CREATE VIEW risk_at AS SELECT to_timestamp(time / 1e9) AS at, * FROM risk;
CREATE VIEW feature_at AS
  SELECT to_timestamp(f.time / 1e9) AS at, f.asset, d.field ->> 'Channel' AS channel, f.window_s, d.field ->> 'Name' AS name, d.field ->> 'Unit' AS unit,
    nullif(f.vals[d.nr], 'NaN') AS value, nullif(f.reasons[d.nr], '') AS reason
  FROM frame f JOIN schema s ON s.id = f.schema CROSS JOIN LATERAL json_array_elements(s.fields) WITH ORDINALITY d (field, nr);
