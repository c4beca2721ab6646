-- As in `relabels`.
ALTER TABLE migrations
  ADD COLUMN IF NOT EXISTS confirmed Nullable(Bool),
  ADD COLUMN IF NOT EXISTS waits_for Array(LowCardinality(String)) COMMENT 'hosts that keep it from being confirmed'
