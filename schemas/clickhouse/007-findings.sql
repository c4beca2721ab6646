-- What somebody has to act on. A finding that a later report takes back stays, with state 'retracted': whoever was
-- paged for it must be able to see what became of it.
CREATE TABLE IF NOT EXISTS findings (
  cluster LowCardinality(String),
  id String,
  host LowCardinality(String) COMMENT 'whose call it was',
  at_us Int64 COMMENT 'opened',
  at DateTime64(6, 'UTC') DEFAULT fromUnixTimestamp64Micro(at_us, 'UTC'),
  order_us Int64,
  place UInt32,
  kind LowCardinality(String),
  cause LowCardinality(String),
  severity LowCardinality(String),
  state LowCardinality(String) COMMENT 'open, resolved, retracted',
  verdict LowCardinality(String),
  guest_uuid LowCardinality(String),
  guest_name LowCardinality(String),
  owner LowCardinality(String),
  migration String,
  paths Array(String),
  resolved_us Nullable(Int64),
  exposure_ms Nullable(Float64),
  access LowCardinality(String),
  io_errors Int64,
  relabels Array(String),
  summary String,
  proof Array(LowCardinality(String)),
  missing Array(LowCardinality(String)),
  hosts Array(LowCardinality(String)),
  record String CODEC(ZSTD(3)),
  digest String,
  revision UInt64,
  version UInt64,
  retracted UInt8
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (id, cluster)
