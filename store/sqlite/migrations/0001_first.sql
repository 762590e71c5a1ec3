-- Times are Unix nanoseconds UTC; NULL is missing.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE shard (
  shard INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  next INTEGER NOT NULL,
  low INTEGER NOT NULL,
  through INTEGER
);

-- One list of field names for all the rows that share it; id is the start of its SHA-256.
CREATE TABLE schema (id INTEGER PRIMARY KEY, channel TEXT NOT NULL, version TEXT NOT NULL, fields TEXT NOT NULL);

-- vals: float64, little endian, in the order of the schema; NaN is missing.
-- reasons: parallel to vals, separated by U+001F.
CREATE TABLE frame (
  time INTEGER NOT NULL,
  asset TEXT NOT NULL,
  channel TEXT NOT NULL,
  window_s REAL NOT NULL,
  schema INTEGER NOT NULL,
  start INTEGER,
  quality REAL,
  vals BLOB NOT NULL,
  reasons TEXT,
  PRIMARY KEY (time, asset, channel, window_s, schema)
) WITHOUT ROWID;
CREATE INDEX frame_series ON frame (asset, channel, time);

-- bins: float32, little endian.
CREATE TABLE spectrum (
  asset TEXT NOT NULL,
  channel TEXT NOT NULL,
  kind TEXT NOT NULL,
  time INTEGER NOT NULL,
  unit TEXT NOT NULL,
  step_hz REAL,
  bins BLOB NOT NULL,
  marks TEXT
);
CREATE UNIQUE INDEX spectrum_key ON spectrum (asset, channel, kind, time);
CREATE INDEX spectrum_time ON spectrum (time);

CREATE TABLE risk (
  time INTEGER NOT NULL,
  asset TEXT NOT NULL,
  component TEXT NOT NULL,
  risk REAL,
  horizon_h REAL,
  anomaly INTEGER NOT NULL,
  ml_score REAL,
  ml_p REAL,
  physics_score REAL,
  rule_score REAL,
  rul_p10_h REAL,
  rul_p50_h REAL,
  rul_p90_h REAL,
  mode TEXT NOT NULL,
  modes TEXT,
  evidence TEXT,
  PRIMARY KEY (time, asset, component)
) WITHOUT ROWID;
CREATE INDEX risk_series ON risk (asset, component, time);
CREATE TABLE risk_latest (asset TEXT NOT NULL, component TEXT NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (asset, component)) WITHOUT ROWID;

CREATE TABLE alert (
  id TEXT PRIMARY KEY,
  asset TEXT NOT NULL,
  component TEXT NOT NULL,
  mode TEXT NOT NULL,
  severity INTEGER NOT NULL,
  opened INTEGER NOT NULL,
  changed INTEGER,
  cleared INTEGER,
  body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX alert_asset ON alert (asset, opened);
CREATE INDEX alert_time ON alert (opened, asset, component);

-- The outbox. lease counts hand-outs; leased is the wall clock at which the last one ends.
CREATE TABLE work_order (
  id TEXT PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  alert TEXT NOT NULL,
  asset TEXT NOT NULL,
  component TEXT NOT NULL,
  priority INTEGER NOT NULL,
  created INTEGER,
  status TEXT NOT NULL,
  not_before INTEGER NOT NULL,
  lease INTEGER NOT NULL DEFAULT 0,
  leased INTEGER NOT NULL DEFAULT 0,
  body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX work_order_due ON work_order (not_before) WHERE status IN ('open', 'sent');
CREATE INDEX work_order_alert ON work_order (alert);

CREATE TABLE twin_event (
  asset TEXT NOT NULL,
  time INTEGER NOT NULL,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  PRIMARY KEY (asset, time, kind, payload)
) WITHOUT ROWID;
CREATE INDEX twin_event_time ON twin_event (time, asset, kind, payload);

CREATE TABLE counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE carried (asset TEXT NOT NULL, part TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (asset, part)) WITHOUT ROWID;
