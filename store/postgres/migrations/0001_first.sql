-- Times are Unix nanoseconds UTC, so that no instant is rounded; NULL is missing.
-- Names are compared byte by byte, so that every server sorts them alike.
CREATE TABLE meta (key text COLLATE "C" PRIMARY KEY, value text NOT NULL);

CREATE TABLE shard (
  shard integer PRIMARY KEY,
  epoch bigint NOT NULL,
  next bigint NOT NULL,
  low bigint NOT NULL,
  through bigint
);

-- One list of field names for all the rows that share it; id is the start of its SHA-256.
CREATE TABLE schema (id bigint PRIMARY KEY, channel text NOT NULL, version text NOT NULL, fields json NOT NULL);

-- One row for each version of a model that ever answered; id is the start of its SHA-256.
CREATE TABLE model (id bigint PRIMARY KEY, digest text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL);

-- vals: in the order of the schema; NaN is missing. reasons: parallel to vals.
CREATE TABLE frame (
  time bigint NOT NULL,
  asset text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  window_s double precision NOT NULL,
  schema bigint NOT NULL,
  start bigint,
  quality double precision,
  vals double precision[] NOT NULL,
  reasons text[],
  PRIMARY KEY (asset, channel, time, window_s, schema)
) PARTITION BY RANGE (time);
ALTER TABLE frame ALTER vals SET STORAGE EXTERNAL; -- measured values do not compress

CREATE TABLE spectrum (
  time bigint NOT NULL,
  asset text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  unit text NOT NULL,
  step_hz double precision,
  bins real[] NOT NULL,
  marks json,
  PRIMARY KEY (asset, channel, kind, time)
) PARTITION BY RANGE (time);
ALTER TABLE spectrum ALTER bins SET STORAGE EXTERNAL;

CREATE TABLE risk (
  time bigint NOT NULL,
  asset text COLLATE "C" NOT NULL,
  component text COLLATE "C" NOT NULL,
  risk double precision,
  horizon_h double precision,
  anomaly boolean NOT NULL,
  ml_score double precision,
  ml_p double precision,
  physics_score double precision,
  rule_score double precision,
  rul_p10_h double precision,
  rul_p50_h double precision,
  rul_p90_h double precision,
  p_fail_48h double precision,
  mode text NOT NULL,
  modes json,
  evidence json,
  risk_low double precision,
  risk_high double precision,
  confidence double precision,
  conflict double precision,
  ml_llr double precision,
  physics_llr double precision,
  rule_llr double precision,
  PRIMARY KEY (asset, component, time)
) PARTITION BY RANGE (time);

-- The newest risk of every component, with what every source said: it stays when the
-- partition that holds it is dropped.
CREATE TABLE risk_latest (LIKE risk, sources json, PRIMARY KEY (asset, component));

-- What every version answered, to compare versions by.
CREATE TABLE score (
  time bigint NOT NULL,
  asset text COLLATE "C" NOT NULL,
  component text COLLATE "C" NOT NULL,
  model bigint NOT NULL,
  inputs text NOT NULL,
  stage text COLLATE "C" NOT NULL,
  serves boolean NOT NULL,
  regime text NOT NULL,
  score double precision,
  p double precision,
  abnormal boolean NOT NULL,
  reason text COLLATE "C" NOT NULL,
  PRIMARY KEY (model, time, asset, component)
) PARTITION BY RANGE (time);

-- Rows come in the order of their time: a few bytes for each run of pages find a span.
CREATE INDEX frame_time ON frame USING brin (time) WITH (autosummarize = on);
CREATE INDEX risk_time ON risk USING brin (time) WITH (autosummarize = on);
CREATE INDEX score_time ON score USING brin (time) WITH (autosummarize = on);

CREATE TABLE alert (
  id text COLLATE "C" PRIMARY KEY,
  asset text COLLATE "C" NOT NULL,
  component text COLLATE "C" NOT NULL,
  mode text NOT NULL,
  severity integer NOT NULL,
  opened bigint NOT NULL,
  changed bigint,
  cleared bigint,
  body json NOT NULL
);
CREATE INDEX alert_asset ON alert (asset, opened);
CREATE INDEX alert_time ON alert (opened, asset, component);

-- The outbox. lease counts hand-outs; leased is the wall clock at which the last one ends.
CREATE TABLE work_order (
  id text COLLATE "C" PRIMARY KEY,
  key text COLLATE "C" NOT NULL UNIQUE,
  alert text NOT NULL,
  asset text COLLATE "C" NOT NULL,
  component text NOT NULL,
  priority integer NOT NULL,
  created bigint,
  status text NOT NULL,
  not_before bigint NOT NULL,
  lease bigint NOT NULL DEFAULT 0,
  leased bigint NOT NULL DEFAULT 0,
  body json NOT NULL
);
CREATE INDEX work_order_due ON work_order (not_before) WHERE status IN ('open', 'sent');
CREATE INDEX work_order_alert ON work_order (alert);

CREATE TABLE twin_event (
  asset text COLLATE "C" NOT NULL,
  time bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  payload text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX twin_event_key ON twin_event (asset, time, kind, md5(payload)); -- a payload may be too long for an index
CREATE INDEX twin_event_time ON twin_event (time);

-- By shard, so that no shard waits for another's commit.
CREATE TABLE counter (shard integer NOT NULL, name text COLLATE "C" NOT NULL, n bigint NOT NULL, PRIMARY KEY (shard, name));

CREATE TABLE carried (asset text COLLATE "C" NOT NULL, part text COLLATE "C" NOT NULL, value bytea NOT NULL, PRIMARY KEY (asset, part))
  WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05); -- each row is rewritten with every batch of its asset
ALTER TABLE carried ALTER value SET STORAGE EXTERNAL;
