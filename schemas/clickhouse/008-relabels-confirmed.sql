-- NULL: a replay said it, which has read all there is. 0 while a host of `waits_for` may still send what changes it.
ALTER TABLE relabels
  ADD COLUMN IF NOT EXISTS confirmed Nullable(Bool),
  ADD COLUMN IF NOT EXISTS waits_for Array(LowCardinality(String)) COMMENT 'hosts that keep it from being confirmed'
