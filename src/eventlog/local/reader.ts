import type { LogRecord, Output, ProcessOptions, Topic } from '../port.js';
import { TOPICS } from '../port.js';
import type { Ledger } from './ledger.js';

const PARTITION = 0;
const SCAN_BATCH = 1_000;
const SCAN_BYTES = 1 << 20;

interface Shared {
  ledger: Ledger;
  wake: Wake;
  now: () => number;
  commit: <T>(write: () => T) => Promise<T>;
}

/** Lets readers wait for the next commit. */
export class Wake {
  #sleepers = new Set<() => void>();

  all(): void {
    const sleepers = this.#sleepers;
    this.#sleepers = new Set();
    for (const wake of sleepers) wake();
  }

  /** Until a commit, the abort, or the time is over (null: no limit); tells whether the time was over. */
  sleep(signal: AbortSignal, ms: number | null): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (late: boolean) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', woken);
        this.#sleepers.delete(woken);
        resolve(late);
      };
      const woken = () => end(false);
      const timer = ms === null ? undefined : setTimeout(() => end(true), ms);
      signal.addEventListener('abort', woken);
      this.#sleepers.add(woken);
    });
  }
}

/** Reads a topic for a group until aborted. */
export async function processTopic(options: ProcessOptions, shared: Shared): Promise<void> {
  const { group, topic, handler, signal, batch_records_max, batch_bytes_max } = options;
  const { ledger, wake } = shared;
  let position = await shared.commit(() => registered(ledger, group, topic));
  if (signal.aborted) return;
  await handler.begin(PARTITION, recordsOf(ledger, 'state', ledger.count('state').next));
  try {
    let idle_until = deadline(options.idle_ms);
    while (!signal.aborted) {
      const batch = ledger.read(topic, position, batch_records_max, batch_bytes_max);
      if (batch.length === 0) {
        const left = idle_until === null ? null : Math.max(0, idle_until - performance.now());
        if (!(await wake.sleep(signal, left)) || signal.aborted) continue;
      }
      const outputs = await handler.take(batch, PARTITION);
      const next = batch.length === 0 ? position : batch.at(-1)!.offset + 1;
      if (outputs.length > 0 || next !== position)
        await shared.commit(() => write(ledger, group, topic, next, outputs, shared.now()));
      position = next;
      idle_until = deadline(options.idle_ms);
    }
  } finally {
    await handler.end(PARTITION);
  }
}

function deadline(idle_ms: number | null): number | null {
  return idle_ms === null ? null : performance.now() + idle_ms;
}

function registered(ledger: Ledger, group: string, topic: Topic): number {
  const known = ledger.position(group, topic);
  if (known !== null) return known;
  const first = ledger.count(topic).oldest;
  ledger.setPosition(group, topic, first);
  return first;
}

function write(
  ledger: Ledger,
  group: string,
  topic: Topic,
  next: number,
  outputs: readonly Output[],
  now_us: number,
): void {
  for (const to of TOPICS) {
    const records = outputs.filter((output) => output.topic === to).map((output) => output.record);
    if (records.length > 0) ledger.append(to, records, now_us);
  }
  ledger.setPosition(group, topic, next);
}

/** What the topic keeps below an offset; of `state` the latest record of every key. */
export async function* recordsOf(ledger: Ledger, topic: Topic, end: number): AsyncGenerator<LogRecord> {
  let from = ledger.count(topic).oldest;
  for (;;) {
    const batch = ledger.read(topic, from, SCAN_BATCH, SCAN_BYTES).filter(({ offset }) => offset < end);
    yield* batch;
    if (batch.length === 0) return;
    from = batch.at(-1)!.offset + 1;
  }
}
