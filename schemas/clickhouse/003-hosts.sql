-- What was read of each host.
--
-- This table and the ones after it hold what was concluded, and conclusions are revised. The newest `version` of a row
-- holds (SELECT … FINAL). `retracted` = 1 stands where a later report, which had read every one of `hosts`, no longer
-- says so; FINAL hides such rows, except in `findings`. ORDER BY order_us, place is the order of the report: the hosts'
-- own clocks (`at_us`) disagree.
CREATE TABLE IF NOT EXISTS hosts (
  cluster LowCardinality(String),
  id String COMMENT 'the host',
  host LowCardinality(String),
  at_us Int64 COMMENT 'first event',
  order_us Int64 COMMENT 'the latest at_us of the report up to here',
  place UInt32 COMMENT 'among those of the same order_us',
  events Int64,
  first_us Nullable(Int64),
  last_us Nullable(Int64),
  gaps UInt32,
  hosts Array(LowCardinality(String)) COMMENT 'whose records the row rests on',
  record String COMMENT 'JSON: the whole item as reported; its revision stands in the column' CODEC(ZSTD(3)),
  digest String COMMENT 'of the record; an equal one is not written again',
  revision UInt64 COMMENT 'counts what was said differently',
  version UInt64 COMMENT 'counts the writings of this row',
  retracted UInt8
)
ENGINE = ReplacingMergeTree(version, retracted)
ORDER BY (cluster, id)
