-- How far a risk is to be believed, and what each view brought; NULL is missing.
ALTER TABLE risk ADD COLUMN risk_low REAL;
ALTER TABLE risk ADD COLUMN risk_high REAL;
ALTER TABLE risk ADD COLUMN confidence REAL;
ALTER TABLE risk ADD COLUMN conflict REAL;
ALTER TABLE risk ADD COLUMN ml_llr REAL;
ALTER TABLE risk ADD COLUMN physics_llr REAL;
ALTER TABLE risk ADD COLUMN rule_llr REAL;
-- What every source said, of the newest risk alone: of each it would outgrow all else.
ALTER TABLE risk_latest ADD COLUMN sources TEXT;
