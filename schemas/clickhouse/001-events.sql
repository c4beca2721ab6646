-- Raw events, one row each: the same event again makes no second row, so no count depends on how often it was imported.
-- Of two copies the one with the longer witness holds, as in correlation: an ENRICHED line says more than a RAW one.
--
-- Text of logs is stored escaped (all tables, except in `body` and `record`, which are JSON): a backslash is doubled,
-- bytes that are not UTF-8 and characters that do not show are \xNN or \u{N}. Different bytes never have the same
-- escaped form, so columns compare as the bytes do, and whoever prints them prints nothing but text.
-- '' in a text column means "not known". `at` is `at_us` for people: it ends where DateTime64 ends.
--
-- Times come from logs and may be anything: whatever is outside 2000..2099 shares the partition 0. The partition is one
-- of `at_us`, not of `at`, so that a question about a span of `at_us` leaves the other months unread.
CREATE TABLE IF NOT EXISTS events (
  cluster LowCardinality(String),
  host LowCardinality(String),
  at_us Int64 COMMENT 'µs since the epoch on the clock of the host' CODEC(Delta, ZSTD),
  at DateTime64(6, 'UTC') DEFAULT fromUnixTimestamp64Micro(at_us, 'UTC') CODEC(Delta, ZSTD),
  id String CODEC(ZSTD),
  kind LowCardinality(String),
  stream LowCardinality(String),
  boot LowCardinality(String),
  sequence Int64 CODEC(Delta, ZSTD),
  guest_uuid LowCardinality(String),
  guest_name LowCardinality(String),
  body String COMMENT 'JSON' CODEC(ZSTD(3)),
  witness String COMMENT 'raw lines, escaped' CODEC(ZSTD(3)),
  witness_bytes UInt32 CODEC(ZSTD),
  INDEX guest_uuid_index guest_uuid TYPE bloom_filter GRANULARITY 4,
  INDEX id_index id TYPE bloom_filter GRANULARITY 4
)
ENGINE = ReplacingMergeTree(witness_bytes)
PARTITION BY if(at_us >= 946684800000000 AND at_us < 4102444800000000, toYYYYMM(fromUnixTimestamp64Micro(at_us, 'UTC'), 'UTC'), 0)
ORDER BY (host, cluster, at_us, id)
