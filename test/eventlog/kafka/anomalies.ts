import type { LogRecord } from '../../../src/eventlog/port.js';

/** What can go wrong with a log, in the words that Jepsen's tests of Kafka use. */
export type Anomaly =
  | { kind: 'lost write'; value: string }
  | { kind: 'duplicate' | 'aborted read' | 'poll skip' | 'non-monotonic poll' | 'made up'; at: string };

export interface Copy {
  /** offset of the event */
  offset: number;
  /** the batch that was copied: only one that contains an event can be committed */
  attempt: string;
  value: string;
}

export function copyOf({ value }: LogRecord): Copy {
  const [offset = '', attempt = '', ...rest] = value.toString().split(' ');
  return { offset: Number(offset), attempt, value: rest.join(' ') };
}

/** Compares the events of a partition with their copies, each in the order of their offsets. */
export function anomaliesOf(
  partition: number,
  events: readonly LogRecord[],
  copies: readonly Copy[],
): Anomaly[] {
  const found: Anomaly[] = [];
  const values = new Map(events.map(({ offset, value }) => [offset, value.toString()]));
  const attempts = new Map<number, string>();
  let last = -1;
  for (const { offset, attempt, value } of copies) {
    const at = `partition ${partition}, offset ${offset}`;
    if (values.get(offset) !== value) found.push({ kind: 'made up', at });
    const former = attempts.get(offset);
    if (former !== undefined) found.push({ kind: former === attempt ? 'duplicate' : 'aborted read', at });
    else if (offset < last) found.push({ kind: 'non-monotonic poll', at });
    attempts.set(offset, attempt);
    last = Math.max(last, offset);
  }
  for (const offset of values.keys())
    if (!attempts.has(offset))
      found.push({ kind: 'poll skip', at: `partition ${partition}, offset ${offset}` });
  return found;
}

export function lostWrites(acknowledged: Iterable<string>, events: Iterable<LogRecord>): Anomaly[] {
  const there = new Set([...events].map(({ value }) => value.toString()));
  return [...acknowledged]
    .filter((value) => !there.has(value))
    .map((value) => ({ kind: 'lost write', value }));
}
