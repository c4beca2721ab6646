-- Attempts to move a guest. `began_us` and `ended_us` may be times of two clocks.
CREATE TABLE IF NOT EXISTS migrations (
  cluster LowCardinality(String),
  id String,
  host LowCardinality(String) COMMENT 'the source, or the destination where no source is known',
  at_us Int64 COMMENT 'began, or ended where the beginning is not known',
  at DateTime64(6, 'UTC') DEFAULT fromUnixTimestamp64Micro(at_us, 'UTC'),
  order_us Int64,
  place UInt32,
  kind LowCardinality(String),
  guest_uuid LowCardinality(String),
  guest_name LowCardinality(String),
  from_host LowCardinality(String),
  to_host LowCardinality(String),
  began_us Nullable(Int64),
  ended_us Nullable(Int64),
  outcome LowCardinality(String),
  owner_after LowCardinality(String),
  text String,
  hosts Array(LowCardinality(String)),
  record String CODEC(ZSTD(3)),
  digest String,
  revision UInt64,
  version UInt64,
  retracted UInt8
)
ENGINE = ReplacingMergeTree(version, retracted)
ORDER BY (id, cluster)
