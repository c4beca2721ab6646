import { CAUSES, type Severity, type Verdict } from '../domain/verdict.js';
import type { GapKind, Stream } from '../events/event.js';

/**
 * Every metric as one closed list; docs/reference/metrics.md is compared with it. Base units, last in the name, then
 * `_total` for what only grows.
 */
export const METRIC_PREFIX = 'migration_audit_';

/** The part of the program that sets a metric; a process shows those of the parts it runs. */
export type MetricsOf = 'every role' | 'collect' | 'event log' | 'forward' | 'correlate' | 'store';

export interface MetricFacts {
  of: MetricsOf;
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  /** the values that a label can have; null where only the run tells, which must be few: never text out of a log */
  labels: Readonly<Record<string, readonly string[] | null>>;
}

/** The compiler sees to it that none is left out. */
function wordsOf<W extends string>(words: Record<W, true>): readonly W[] {
  return Object.keys(words) as W[];
}

const LINE_STREAMS = wordsOf<Exclude<Stream, 'host-facts' | 'collector'>>({
  audit: true,
  'virsh-event': true,
  'qemu-monitor-event': true,
  'daemon-log': true,
  'guest-log': true,
});

const STREAMS: readonly Stream[] = [...LINE_STREAMS, 'host-facts', 'collector'];

const GAP_KINDS = wordsOf<GapKind>({
  'audit-lost': true,
  'audit-serial-gap': true,
  'audit-cut-event': true,
  'audit-disabled': true,
  'audit-rules-changed': true,
  'daemon-stopped': true,
  'event-stream-ended': true,
  'collector-down': true,
  'rejected-lines': true,
  'file-truncated': true,
  'file-unreadable': true,
});

const VERDICTS = wordsOf<Verdict>({ violation: true, clean: true, undetermined: true });
const SEVERITIES = wordsOf<Severity>({ critical: true, warning: true, info: true });

const DEAD_LETTER_REASONS = ['bad-event', 'unknown-schema', 'over-limit', 'too-large', 'refused-by-store'];

const TABLES = ['events', 'host_facts', 'hosts', 'timeline', 'relabels', 'migrations', 'findings'];

export const METRICS = {
  build_info: {
    of: 'every role',
    type: 'gauge',
    help: 'Always 1; the labels say which build runs.',
    labels: { version: null, node: null },
  },
  ready: {
    of: 'every role',
    type: 'gauge',
    help: '1 while the condition of /readyz holds, else 0.',
    labels: { condition: null },
  },
  configuration_reloads_total: {
    of: 'every role',
    type: 'counter',
    help: 'Readings of the configuration on SIGHUP, by whether it could be used.',
    labels: { result: ['used', 'refused'] },
  },

  read_lines_total: {
    of: 'collect',
    type: 'counter',
    help: 'Lines read from sources.',
    labels: { stream: LINE_STREAMS },
  },
  read_bytes_total: {
    of: 'collect',
    type: 'counter',
    help: 'Bytes read from sources.',
    labels: { stream: LINE_STREAMS },
  },
  foreign_lines_total: {
    of: 'collect',
    type: 'counter',
    help: 'Well-formed lines that are about something else.',
    labels: { stream: LINE_STREAMS },
  },
  rejected_lines_total: {
    of: 'collect',
    type: 'counter',
    help: 'Lines that no reader understood; each stretch of them becomes a gap.',
    labels: { stream: LINE_STREAMS, reason: null },
  },
  events_total: {
    of: 'collect',
    type: 'counter',
    help: 'Events that sources gave.',
    labels: { stream: STREAMS },
  },
  duplicate_events_total: {
    of: 'collect',
    type: 'counter',
    help: 'Events that were in the event log already, as after a restart.',
    labels: {},
  },
  gaps_total: {
    of: 'collect',
    type: 'counter',
    help: 'Known holes in what could be seen; each makes verdicts that rest on it undetermined.',
    labels: { kind: GAP_KINDS },
  },
  source_up: {
    of: 'collect',
    type: 'gauge',
    help: '1 while the source is followed, 0 while it is not there or its program does not run.',
    labels: { stream: null },
  },
  source_restarts_total: {
    of: 'collect',
    type: 'counter',
    help: 'Times that the program of a source ended and was started again.',
    labels: { stream: LINE_STREAMS },
  },
  last_event_timestamp_seconds: {
    of: 'collect',
    type: 'gauge',
    help: 'Time of the newest event of a stream, on the clock of the host, since the epoch.',
    labels: { stream: null },
  },
  kernel_lost_records: {
    of: 'collect',
    type: 'gauge',
    help: 'Audit records that the kernel says it lost since boot (auditctl -s).',
    labels: {},
  },

  append_duration_seconds: {
    of: 'event log',
    type: 'histogram',
    help: 'Time to write one batch of events durably.',
    labels: {},
  },
  append_events_total: {
    of: 'event log',
    type: 'counter',
    help: 'Events written to the event log.',
    labels: {},
  },
  event_log_bytes: {
    of: 'event log',
    type: 'gauge',
    help: 'Size of the event log.',
    labels: {},
  },
  event_log_free_bytes: {
    of: 'event log',
    type: 'gauge',
    help: 'Bytes that can still be written before the event log is full or its file system is.',
    labels: {},
  },
  event_log_lag_events: {
    of: 'event log',
    type: 'gauge',
    help: 'Events that a reader of the event log has not yet confirmed.',
    labels: { group: null },
  },
  dead_letters_total: {
    of: 'event log',
    type: 'counter',
    help: 'Records that could not be used and were put to the dead letters, with the reason.',
    labels: { reason: DEAD_LETTER_REASONS },
  },

  forward_events_total: {
    of: 'forward',
    type: 'counter',
    help: 'Events that the brokers acknowledged.',
    labels: {},
  },
  forward_errors_total: {
    of: 'forward',
    type: 'counter',
    help: 'Times that the brokers did not take a batch; it is sent again.',
    labels: {},
  },
  forward_last_success_timestamp_seconds: {
    of: 'forward',
    type: 'gauge',
    help: 'When the brokers last acknowledged events, since the epoch.',
    labels: {},
  },

  correlate_duration_seconds: {
    of: 'correlate',
    type: 'histogram',
    help: 'Time to judge one batch of events.',
    labels: {},
  },
  correlate_events_total: {
    of: 'correlate',
    type: 'counter',
    help: 'Events taken in.',
    labels: {},
  },
  guests: {
    of: 'correlate',
    type: 'gauge',
    help: 'Guests that are kept in memory.',
    labels: {},
  },
  findings_total: {
    of: 'correlate',
    type: 'counter',
    help: 'Findings at their first appearance.',
    labels: { cause: CAUSES, verdict: VERDICTS },
  },
  open_findings: {
    of: 'correlate',
    type: 'gauge',
    help: 'Findings that are not resolved.',
    labels: { severity: SEVERITIES },
  },
  verdict_revisions_total: {
    of: 'correlate',
    type: 'counter',
    help: 'Verdicts that a late event changed, by what they became.',
    labels: { verdict: VERDICTS },
  },
  provisional_verdicts: {
    of: 'correlate',
    type: 'gauge',
    help: 'Verdicts that are not confirmed because the host has not said everything up to them.',
    labels: { host: null },
  },
  waiting_relabels: {
    of: 'correlate',
    type: 'gauge',
    help: 'Relabels of files that nothing ties to a guest, kept in case something does.',
    labels: {},
  },
  dropped_relabels_total: {
    of: 'correlate',
    type: 'counter',
    help: 'Relabels of files that nothing tied to a guest, dropped for want of room.',
    labels: {},
  },
  state_bytes: {
    of: 'correlate',
    type: 'gauge',
    help: 'Memory that the kept events take, estimated. Above `correlate.state_bytes_max` nothing more could be let go.',
    labels: {},
  },
  settled_events_total: {
    of: 'correlate',
    type: 'counter',
    help: 'Events that were let go because no verdict waited for them any more.',
    labels: {},
  },
  late_events_total: {
    of: 'correlate',
    type: 'counter',
    help: 'Events that came after what they belong to was let go; what they show is undetermined: expired.',
    labels: {},
  },
  forgotten_guests_total: {
    of: 'correlate',
    type: 'counter',
    help: 'Guests of which, for want of room, not even is known that events of theirs were let go.',
    labels: {},
  },
  watermark_timestamp_seconds: {
    of: 'correlate',
    type: 'gauge',
    help: 'Time up to which a host has said everything, on its own clock, since the epoch.',
    labels: { host: null },
  },
  clock_offset_seconds: {
    of: 'correlate',
    type: 'gauge',
    help: 'How far the clock of a host is ahead of true time, as the host says. Never used to judge.',
    labels: { host: null },
  },

  store_rows_total: {
    of: 'store',
    type: 'counter',
    help: 'Rows written to the store.',
    labels: { table: TABLES },
  },
  store_write_duration_seconds: {
    of: 'store',
    type: 'histogram',
    help: 'Time to write one batch to the store.',
    labels: {},
  },
  store_errors_total: {
    of: 'store',
    type: 'counter',
    help: 'Writes that the store refused; each is tried again.',
    labels: {},
  },
} as const satisfies Record<string, MetricFacts>;

export type MetricName = keyof typeof METRICS;
