-- The probability of a failure within 48 hours; NULL is missing.
ALTER TABLE risk ADD COLUMN p_fail_48h REAL;
