-- What happened, in sentences; sorted by guest, since that is how it is asked for. The guest is read out of `id`, of
-- which it is the end, so that every writing of a row has the same sorting key, also one that retracts it and has no more.
CREATE TABLE IF NOT EXISTS timeline (
  cluster LowCardinality(String),
  host LowCardinality(String),
  at_us Int64 CODEC(Delta, ZSTD),
  at DateTime64(6, 'UTC') DEFAULT fromUnixTimestamp64Micro(at_us, 'UTC') CODEC(Delta, ZSTD),
  order_us Int64 CODEC(Delta, ZSTD),
  place UInt32,
  id String COMMENT 'event, #, and the guest: its UUID, or name: and its name' CODEC(ZSTD),
  guest String DEFAULT if(substring(id, -37, 1) = '#', substring(id, -36), '') COMMENT 'its UUID; empty where only a name is known',
  event String CODEC(ZSTD),
  kind LowCardinality(String),
  guest_uuid LowCardinality(String),
  guest_name LowCardinality(String),
  text String CODEC(ZSTD(3)),
  hosts Array(LowCardinality(String)),
  record String CODEC(ZSTD(3)),
  digest String CODEC(ZSTD),
  revision UInt64,
  version UInt64,
  retracted UInt8,
  INDEX guest_name_index guest_name TYPE bloom_filter GRANULARITY 8,
  INDEX host_index host TYPE bloom_filter
)
ENGINE = ReplacingMergeTree(version, retracted)
PARTITION BY if(at_us >= 946684800000000 AND at_us < 4102444800000000, toYear(fromUnixTimestamp64Micro(at_us, 'UTC'), 'UTC'), 0)
ORDER BY (guest, cluster, at_us, id)
SETTINGS index_granularity = 1024
