import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  EventLog,
  LogRecord,
  NewRecord,
  Output,
  ProcessOptions,
  ProcessorLog,
} from '../../src/eventlog/port.js';

export interface OpenedLog {
  log: ProcessorLog;
  add: (records: NewRecord[]) => Promise<unknown>;
  clean: () => Promise<void>;
}

export function record(name: string, id: string | null = name): NewRecord {
  return { key: 'cluster', value: Buffer.from(name), id };
}

export function append(log: EventLog, records: NewRecord[], checkpoints: [string, Buffer][] = []) {
  return log.append({ records, checkpoints: new Map(checkpoints) });
}

interface Reading {
  states: LogRecord[];
  taken: string[];
}

/** Reads until `enough` says so. */
export async function readUntil(
  log: ProcessorLog,
  options: Partial<ProcessOptions> & { answer?: (batch: readonly LogRecord[]) => Output[] },
  enough: (taken: readonly string[]) => boolean,
): Promise<Reading> {
  const stop = new AbortController();
  const reading: Reading = { states: [], taken: [] };
  await log.process({
    group: 'group',
    topic: 'events',
    signal: stop.signal,
    batch_records_max: 10,
    batch_bytes_max: 1_000,
    idle_ms: null,
    outputs: ['timeline', 'findings', 'state', 'dead-letters'],
    handler: {
      async begin(_partition, state) {
        for await (const each of state) reading.states.push(each);
        if (enough(reading.taken)) stop.abort();
      },
      async take(batch) {
        reading.taken.push(...batch.map(({ value }) => value.toString()));
        const outputs = options.answer?.(batch) ?? [];
        if (enough(reading.taken)) stop.abort();
        return outputs;
      },
      async end() {},
    },
    ...options,
  });
  return reading;
}

export const taken = (count: number) => (all: readonly string[]) => all.length >= count;

/** What every event log promises. `open` gives a new one, empty, and how to add to its events. */
export function describeProcessorLog(name: string, open: () => Promise<OpenedLog>): void {
  describe(`${name}, as every event log,`, () => {
    let log: ProcessorLog;
    let add: OpenedLog['add'];
    let clean: () => Promise<void>;
    beforeEach(async () => {
      ({ log, add, clean } = await open());
    });
    afterEach(() => clean());

    it('delivers what was appended, in order and in batches within the limits', async () => {
      const names = Array.from({ length: 25 }, (_, i) => `record ${i}`);
      const sizes: number[] = [];
      await add(names.map((each) => record(each)));
      const answer = (batch: readonly LogRecord[]) => {
        sizes.push(batch.length);
        return [];
      };
      expect((await readUntil(log, { answer }, taken(25))).taken).toEqual(names);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(10);
    });

    it('wakes a waiting reader', async () => {
      const reading = readUntil(log, {}, taken(1));
      await add([record('late')]);
      expect((await reading).taken).toEqual(['late']);
    });

    it('gives every group all of it, and goes on where a group was', async () => {
      await add([record('a'), record('b')]);
      await readUntil(log, { group: 'one' }, taken(2));
      expect((await log.lag('one', 'events')).records).toBe(0);
      await add([record('c')]);
      expect((await log.lag('one', 'events')).records).toBe(1);
      expect((await readUntil(log, { group: 'one' }, taken(1))).taken).toEqual(['c']);
      expect((await readUntil(log, { group: 'two' }, taken(3))).taken).toEqual(['a', 'b', 'c']);
    });

    it('commits nothing of a handler that throws, and gives its batch again', async () => {
      await add([record('a')]);
      const answer = () => {
        throw new Error('poison');
      };
      await expect(readUntil(log, { answer }, taken(1))).rejects.toThrow('poison');
      expect((await log.lag('group', 'events')).records).toBe(1);
      expect((await readUntil(log, {}, taken(1))).taken).toEqual(['a']);
    });

    it('keeps the latest state of every key, and deletes by an empty value', async () => {
      await add([record('a')]);
      const state = (key: string, value: string): Output => ({
        topic: 'state',
        record: { key, value: Buffer.from(value), id: null },
      });
      const answer = () => [state('x', '1'), state('y', '1'), state('x', '2'), state('y', '')];
      await readUntil(log, { answer }, taken(1));
      const { states } = await readUntil(log, {}, () => true);
      expect(states.map(({ key, value }) => [key, value.toString()])).toEqual([['x', '2']]);
    });

    it('gives outputs to the readers of their topic, each once', async () => {
      await add(['a', 'b', 'c'].map((each) => record(each)));
      const answer = (batch: readonly LogRecord[]): Output[] =>
        batch.map(({ value }) => ({ topic: 'timeline', record: { key: 'k', value, id: null } }));
      await readUntil(log, { batch_records_max: 1, answer }, taken(3));
      const copies = await readUntil(log, { topic: 'timeline' }, taken(3));
      expect(copies.taken).toEqual(['a', 'b', 'c']);
    });

    it('lets a group read several topics at once', async () => {
      const answer = (batch: readonly LogRecord[]): Output[] =>
        batch.map(({ value }) => ({ topic: 'timeline', record: { key: 'k', value, id: null } }));
      const readings = [
        readUntil(log, { answer }, taken(2)),
        readUntil(log, { topic: 'timeline' }, taken(2)),
        readUntil(log, { topic: 'findings' }, () => true),
      ];
      await add(['a', 'b'].map((each) => record(each)));
      expect((await Promise.all(readings)).map((reading) => reading.taken)).toEqual([
        ['a', 'b'],
        ['a', 'b'],
        [],
      ]);
    });

    it('calls an idle handler', async () => {
      let calls = 0;
      const answer = () => {
        calls++;
        return [];
      };
      await readUntil(log, { idle_ms: 1, answer }, () => calls >= 1);
      expect(calls).toBeGreaterThan(0);
    });

    it('refuses a second reader of a topic for a group in one process', async () => {
      const reading = readUntil(log, {}, taken(1));
      await expect(readUntil(log, {}, taken(1))).rejects.toThrow(/in use/);
      await add([record('a')]);
      await reading;
    });

    it('ends its readers when it is closed', async () => {
      const reading = readUntil(log, {}, taken(1));
      await log.close();
      expect((await reading).taken).toEqual([]);
    });
  });
}

/** What the log of one machine promises beyond that. */
export function describeSpool(
  name: string,
  open: () => Promise<{ log: EventLog; clean: () => Promise<void> }>,
): void {
  describe(`${name}, as a spool,`, () => {
    let log: EventLog;
    let clean: () => Promise<void>;
    beforeEach(async () => {
      ({ log, clean } = await open());
    });
    afterEach(() => clean());

    it('keeps one record of an id, and all that have none', async () => {
      await append(log, [record('a'), record('b', null), record('a')]);
      expect((await append(log, [record('a'), record('b', null)])).duplicates).toBe(1);
      expect((await readUntil(log, {}, taken(3))).taken).toEqual(['a', 'b', 'b']);
    });

    it('keeps checkpoints with the records', async () => {
      expect(log.checkpoint('audit.log')).toBeNull();
      await append(log, [], [['audit.log', Buffer.from('7')]]);
      expect(log.checkpoint('audit.log')?.toString()).toBe('7');
    });
  });
}
