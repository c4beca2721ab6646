-- What hosts said about themselves, one row for every HostFactsRead. '' means "not read by this event".
CREATE TABLE IF NOT EXISTS host_facts (
  cluster LowCardinality(String),
  host LowCardinality(String),
  at_us Int64 CODEC(Delta, ZSTD),
  at DateTime64(6, 'UTC') DEFAULT fromUnixTimestamp64Micro(at_us, 'UTC') CODEC(Delta, ZSTD),
  id String CODEC(ZSTD),
  origin LowCardinality(String),
  host_name LowCardinality(String),
  kernel LowCardinality(String),
  libvirt_version LowCardinality(String),
  selinux_mode LowCardinality(String),
  facts String COMMENT 'JSON: the whole event body' CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
ORDER BY (cluster, host, at_us, id)
