-- One row for each version of a model that ever answered.
CREATE TABLE model (id INTEGER PRIMARY KEY, digest TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (digest, name));

-- What every version answered, to compare versions by.
CREATE TABLE score (
  time INTEGER NOT NULL,
  asset TEXT NOT NULL,
  component TEXT NOT NULL,
  model INTEGER NOT NULL,
  inputs TEXT NOT NULL,
  stage TEXT NOT NULL,
  serves INTEGER NOT NULL,
  regime TEXT NOT NULL,
  score REAL,
  p REAL,
  abnormal INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (time, asset, component, model)
) WITHOUT ROWID;
