import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { kafkaClient } from '../../../src/eventlog/kafka/client.js';
import { recordsOf } from '../../../src/eventlog/kafka/latest-states.js';
import { PartitionReader } from '../../../src/eventlog/kafka/partition-reader.js';
import { type KafkaSettings, topicName } from '../../../src/eventlog/kafka/settings.js';
import type { Appender, LogRecord, Topic } from '../../../src/eventlog/port.js';
import { testLogger } from '../../services/test-logger.js';
import { type Anomaly, anomaliesOf, copyOf, lostWrites } from './anomalies.js';

const CHILD = new URL('./copy-child.ts', import.meta.url).pathname;

/** A process that copies events (copy-child.ts). */
export class Copier {
  readonly lines: string[] = [];
  readonly process: ChildProcess;
  readonly exited: Promise<void>;

  constructor(settings: KafkaSettings, kill?: { signal: NodeJS.Signals; point: string; nth: number }) {
    const args = kill === undefined ? [] : [kill.signal, kill.point, String(kill.nth)];
    this.process = spawn(process.execPath, ['--import', 'tsx', CHILD, JSON.stringify(settings), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.exited = new Promise((resolve) => this.process.once('exit', () => resolve()));
    const lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream });
    lines.on('line', (line) => this.lines.push(line));
  }

  /** @param after this many lines */
  said(word: string, after = 0): string[] {
    return this.lines.slice(after).filter((line) => line.startsWith(word));
  }

  async until(word: string, count = 1): Promise<void> {
    await eventually(`${count} times ${word}`, async () => {
      if (this.process.exitCode !== null) throw new Error(`it ended, and said:\n${this.lines.join('\n')}`);
      return this.said(word).length >= count;
    });
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.process.kill('SIGCONT');
    this.process.kill(signal);
    await this.exited;
  }
}

/** Appends numbered values in the background, to many keys; knows what was acknowledged. */
export class Source {
  readonly acknowledged = new Set<string>();
  failures = 0;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(log: Appender, keys: number) {
    this.#running = this.#run(log, keys);
  }

  async #run(log: Appender, keys: number): Promise<void> {
    for (let n = 0; !this.#stop.signal.aborted; n++) {
      const records = Array.from({ length: keys }, (_, key) => ({
        key: `cluster-${key}`,
        value: Buffer.from(`${key}/${n}`),
        id: null,
      }));
      // what may be there is sent again, as a forwarder does it
      for (;;)
        try {
          await log.appendTo('events', records);
          break;
        } catch {
          this.failures++;
          await sleep(200);
        }
      for (const { value } of records) this.acknowledged.add(value.toString());
      await sleep(5);
    }
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

export async function recordsIn(
  settings: KafkaSettings,
  topic: Topic,
  partition: number,
): Promise<LogRecord[]> {
  const reader = new PartitionReader(
    kafkaClient(settings, testLogger),
    topicName(settings, topic),
    topic,
    partition,
  );
  await reader.open();
  try {
    const { first, end } = await reader.bounds();
    const records: LogRecord[] = [];
    for await (const record of recordsOf(reader, first, end)) records.push(record);
    return records;
  } finally {
    await reader.close();
  }
}

/** Ends the source and waits until all its events are copied: each once, in order, with nobody in trouble. */
export async function expectNoAnomaly(
  settings: KafkaSettings,
  partitions: number,
  source: Source,
  copiers: readonly Copier[],
): Promise<void> {
  await source.end();
  const { anomalies, copies } = await verdictOn(settings, partitions, source.acknowledged);
  expect(anomalies).toEqual([]);
  expect(copies).toBeGreaterThanOrEqual(source.acknowledged.size);
  expect(copiers.flatMap((each) => [...each.said('mismatch'), ...each.said('failed')])).toEqual([]);
}

/** Waits until every event was copied, then tells what is wrong. */
export async function verdictOn(
  settings: KafkaSettings,
  partitions: number,
  acknowledged: Iterable<string>,
): Promise<{ anomalies: Anomaly[]; copies: number }> {
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const events = await Promise.all(all.map((partition) => recordsIn(settings, 'events', partition)));
  const total = events.reduce((sum, each) => sum + each.length, 0);
  let copies: LogRecord[][] = [];
  await eventually('all events are copied', async () => {
    copies = await Promise.all(all.map((partition) => recordsIn(settings, 'timeline', partition)));
    return copies.reduce((sum, each) => sum + each.length, 0) >= total;
  });
  const anomalies = all.flatMap((partition) =>
    anomaliesOf(partition, events[partition] ?? [], (copies[partition] ?? []).map(copyOf)),
  );
  return { anomalies: [...lostWrites(acknowledged, events.flat()), ...anomalies], copies: total };
}

/** A group may lose its members one after the other, and each then waits before it joins again. */
const PATIENCE_MS = 150_000;

/** The group goes on: every partition is read further, and every member, of which there are no more, has a part in it. */
export async function tookMore(copiers: readonly Copier[], partitions: number, batches = 4): Promise<void> {
  const before = copiers.map((copier) => copier.lines.length);
  const tookSince = () => copiers.map((copier, index) => copier.said('took', before[index]));
  await eventually(`${batches} more batches of each partition, and by each member`, async () => {
    const took = tookSince();
    if (took.some((lines) => lines.length < batches)) return false;
    const byPartition = took.flat().map((line) => Number(line.split(' ')[1]));
    return Array.from({ length: partitions }, (_, partition) => partition).every(
      (partition) => byPartition.filter((each) => each === partition).length >= batches,
    );
  });
}

export async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > PATIENCE_MS) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
    await sleep(100);
  }
}
