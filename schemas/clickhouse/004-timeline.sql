-- What happened, in sentences.
CREATE TABLE IF NOT EXISTS timeline (
  cluster LowCardinality(String),
  host LowCardinality(String),
  at_us Int64 CODEC(Delta, ZSTD),
  at DateTime64(6, 'UTC') DEFAULT fromUnixTimestamp64Micro(at_us, 'UTC') CODEC(Delta, ZSTD),
  order_us Int64,
  place UInt32,
  id String COMMENT 'event, #, number of the entry among those of the event',
  event String,
  kind LowCardinality(String),
  guest_uuid LowCardinality(String),
  guest_name LowCardinality(String),
  text String CODEC(ZSTD(3)),
  hosts Array(LowCardinality(String)),
  record String CODEC(ZSTD(3)),
  digest String,
  revision UInt64,
  version UInt64,
  retracted UInt8,
  INDEX guest_uuid_index guest_uuid TYPE bloom_filter GRANULARITY 4,
  INDEX guest_name_index guest_name TYPE bloom_filter GRANULARITY 4
)
ENGINE = ReplacingMergeTree(version, retracted)
PARTITION BY if(at >= '2000-01-01' AND at < '2100-01-01', toYYYYMM(at), 0)
ORDER BY (cluster, host, at_us, id)
