-- What was read of each host.
--
-- This table and the ones after it hold what was concluded, and conclusions are revised. A row's newest `revision`
-- counts (SELECT … FINAL). `retracted` = 1 stands where a later report, which had read every one of `hosts`, no longer
-- says so; FINAL hides such rows, except in `findings`.
CREATE TABLE IF NOT EXISTS hosts (
  cluster LowCardinality(String),
  id String COMMENT 'the host',
  host LowCardinality(String),
  at_us Int64 COMMENT 'first event',
  place UInt32,
  events Int64,
  first_us Nullable(Int64),
  last_us Nullable(Int64),
  gaps UInt32,
  hosts Array(LowCardinality(String)) COMMENT 'whose records the row rests on',
  record String COMMENT 'JSON: the whole row as reported' CODEC(ZSTD(3)),
  digest String COMMENT 'of the record; an equal one is not written again',
  revision UInt64,
  retracted UInt8
)
ENGINE = ReplacingMergeTree(revision, retracted)
ORDER BY (cluster, id)
