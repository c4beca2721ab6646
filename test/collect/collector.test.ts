import { describe, expect, it } from 'vitest';
import type { Source, SourceOutput } from '../../src/collect/source.js';
import { MigrationAuditError } from '../../src/domain/errors.js';
import type { NewRecord, Spool } from '../../src/eventlog/port.js';
import { decodeEvent } from '../../src/events/codec.js';
import type { Event, Stream } from '../../src/events/event.js';
import { aborted } from '../../src/waiting/pause.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { eventLog, eventsIn, eventually, PLACE, startCollecting } from './collecting.js';

const T0 = 1_795_400_000_000_000;

function anEvent(n: number, witness = Buffer.from(`line ${n}`)): Event {
  return {
    ...PLACE,
    kind: 'DaemonChanged',
    boot: null,
    stream: 'daemon-log',
    sequence: n,
    at: T0 + n,
    id: `hosta/daemon-log/${n}`,
    witness,
    body: { daemon: 'libvirtd', change: 'started' },
  };
}

interface Fake {
  name?: string;
  stream?: Stream;
  isLive?: boolean;
  watermark_us?: () => number | null;
  run: Source['run'];
}

function sourceOf({ name = 'fake', stream = 'daemon-log', isLive = false, watermark_us, run }: Fake): Source {
  return { name, stream, isLive, run, watermark_us: watermark_us ?? (() => null) };
}

/** A spool in memory that can refuse. */
class FakeSpool implements Spool {
  refuses: Error | null = null;
  attempts = 0;
  readonly kept: { records: readonly NewRecord[]; checkpoints: ReadonlyMap<string, Buffer> }[] = [];
  readonly #checkpoints = new Map<string, Buffer>();

  async append(batch: { records: readonly NewRecord[]; checkpoints: ReadonlyMap<string, Buffer> }) {
    this.attempts++;
    await new Promise((resolve) => setImmediate(resolve));
    if (this.refuses !== null) throw this.refuses;
    this.kept.push(batch);
    for (const [source, value] of batch.checkpoints) this.#checkpoints.set(source, value);
    return { offsets_to: 0, duplicates: 0 };
  }

  checkpoint(source: string): Buffer | null {
    return this.#checkpoints.get(source) ?? null;
  }

  get events(): Event[] {
    return this.kept.flatMap(({ records }) => records.map(({ value }) => decodeEvent(value)));
  }
}

const FULL = new MigrationAuditError('MA_LOG_FULL', '/somewhere', 'for the test');

describe('a collector', () => {
  it('keeps events and the checkpoint that covers them, in one transaction', async () => {
    const spool = new FakeSpool();
    const source = sourceOf({
      run: async (output, _, signal) => {
        for (let n = 0; n < 1000; n++) await output.emit([anEvent(n)], Buffer.from(String(n)));
        await aborted(signal);
      },
    });
    const collecting = startCollecting([source], spool);
    await eventually(() => spool.checkpoint('fake')?.toString() === '999');
    let covered = -1;
    for (const { records, checkpoints } of spool.kept) {
      covered += records.length;
      expect(checkpoints.get('fake')?.toString()).toBe(String(covered));
    }
    expect(spool.kept.length).toBeLessThan(100);
    await collecting.stop();
  });

  it('appends what sources still have when it is stopped, then a last heartbeat', async () => {
    const log = eventLog();
    const source = sourceOf({
      watermark_us: () => T0 + 7,
      run: async (output, _, signal) => {
        await aborted(signal);
        await output.emit([anEvent(1)], Buffer.from('last'));
      },
    });
    await startCollecting([source], log).stop();
    const events = await eventsIn(log);
    expect(events.map(({ kind }) => kind)).toEqual(['DaemonChanged', 'Heartbeat']);
    expect(events[1]).toMatchObject({ body: { streams: [{ stream: 'daemon-log', at: T0 + 7 }] } });
    expect(log.checkpoint('fake')?.toString()).toBe('last');
  });

  it('gives each source the checkpoint that it left', async () => {
    const directory = temporaryDirectory();
    const seen: (string | null)[] = [];
    const source = () =>
      sourceOf({
        run: async (output, checkpoint) => {
          seen.push(checkpoint?.toString() ?? null);
          await output.emit([], Buffer.from(`after ${checkpoint?.toString() ?? 'nothing'}`));
        },
      });
    for (let run = 0; run < 3; run++) {
      const log = eventLog(directory);
      const collecting = startCollecting([source()], log);
      await eventually(() => seen.length === run + 1);
      await collecting.stop();
      await log.close();
    }
    expect(seen).toEqual([null, 'after nothing', 'after after nothing']);
  });

  it('vouches in a heartbeat only for what is in the log before it', async () => {
    const spool = new FakeSpool();
    let told = 0;
    const source = sourceOf({
      watermark_us: () => (told === 0 ? null : T0 + told),
      run: async (output, _, signal) => {
        while (!signal.aborted) {
          const next = told + 1;
          const room = output.emit([anEvent(next)], null);
          told = next;
          await room;
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    });
    const collecting = startCollecting([source], spool, { settings: { heartbeat_every_s: 0.01 } });
    await eventually(() => spool.events.filter(({ kind }) => kind === 'Heartbeat').length > 10);
    await collecting.stop();
    let latest = 0;
    for (const event of spool.events) {
      if (event.kind === 'Heartbeat')
        for (const { at } of event.body.streams) expect(at).toBeLessThanOrEqual(T0 + latest);
      else latest = event.sequence;
    }
  });

  it('says for what time a source that cannot go back was not heard', async () => {
    const spool = new FakeSpool();
    const live = () =>
      sourceOf({
        stream: 'virsh-event',
        isLive: true,
        watermark_us: () => T0 + 5,
        run: (_output, _checkpoint, signal) => aborted(signal),
      });
    await startCollecting([live()], spool).stop();
    await startCollecting([live()], spool).stop();
    const gaps = spool.events.flatMap((event) => (event.kind === 'GapDetected' ? [event] : []));
    expect(gaps).toMatchObject([
      { body: { kind: 'collector-down', of_stream: 'virsh-event', from: null } },
      { body: { kind: 'collector-down', of_stream: 'virsh-event', from: T0 + 5 } },
    ]);
    expect(gaps[1]?.body.to).toBe(gaps[1]?.at);
  });

  it('waits while the log is full, says so, and goes on by itself', async () => {
    const spool = new FakeSpool();
    spool.refuses = FULL;
    let emitted = 0;
    const source = sourceOf({
      run: async (output, _, signal) => {
        for (; emitted < 500 && !signal.aborted; emitted++)
          await output.emit([anEvent(emitted, Buffer.alloc(1000))], Buffer.from(String(emitted)));
      },
    });
    const limits = { waiting_bytes_max: 50_000, retry_ms: [1, 4] as const };
    const collecting = startCollecting([source], spool, { limits });
    await eventually(() => spool.attempts > 5);
    expect(emitted).toBeLessThan(60);
    expect(spool.kept).toEqual([]);
    expect(collecting.health.conditions.find(({ name }) => name === 'event-log')).toMatchObject({
      isReady: false,
      reason: 'the event log is full: for the test',
    });
    spool.refuses = null;
    await eventually(() => spool.checkpoint('fake')?.toString() === '499');
    expect(spool.events.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 500 }, (_, n) => n));
    expect(collecting.health.conditions.find(({ name }) => name === 'event-log')?.isReady).toBe(true);
    await collecting.stop();
  });

  it('stops while the log is full, with its sources waiting', async () => {
    const spool = new FakeSpool();
    spool.refuses = FULL;
    const source = sourceOf({
      run: async (output, _, signal) => {
        for (let n = 0; !signal.aborted; n++) await output.emit([anEvent(n, Buffer.alloc(1000))], null);
      },
    });
    const limits = { waiting_bytes_max: 10_000, retry_ms: [1, 4] as const };
    const collecting = startCollecting([source], spool, { limits });
    await eventually(() => spool.attempts > 2);
    await collecting.stop();
    expect(collecting.messages.at(-1)).toMatch(/stopped while the event log took nothing/);
  });

  it('goes on when readers have made room in a real log that was full', async () => {
    const log = eventLog(temporaryDirectory(), 200_000);
    let done = false;
    const source = sourceOf({
      run: async (output) => {
        for (let n = 0; n < 600; n++) await output.emit([anEvent(n, Buffer.alloc(1000, n))], null);
        done = true;
      },
    });
    const limits = { waiting_bytes_max: 20_000, batch_bytes_max: 10_000, retry_ms: [1, 4] as const };
    const collecting = startCollecting([source], log, { limits });
    await eventually(() =>
      collecting.health.conditions.some(({ reason }) => reason?.includes('full') ?? false),
    );
    expect(done).toBe(false);
    const read = new Set<string>();
    const stop = new AbortController();
    const reading = log.process({
      group: 'reader',
      topic: 'events',
      signal: stop.signal,
      batch_records_max: 50,
      batch_bytes_max: 1 << 20,
      idle_ms: null,
      outputs: [],
      handler: {
        begin: async () => {},
        take: async (batch) => {
          for (const { value } of batch) read.add(decodeEvent(value).id);
          return [];
        },
        end: async () => {},
      },
    });
    await eventually(() => read.size >= 600);
    await collecting.stop();
    stop.abort();
    await reading;
    expect([...read].filter((id) => id.includes('/daemon-log/'))).toHaveLength(600);
  });

  it('ends with the error of a log that waiting does not mend', async () => {
    const spool = new FakeSpool();
    spool.refuses = new MigrationAuditError('MA_LOG_DAMAGED', '/somewhere');
    const source = sourceOf({
      run: async (output, _, signal) => {
        while (!signal.aborted) await output.emit([anEvent(1)], null);
      },
    });
    await expect(startCollecting([source], spool).ended).rejects.toMatchObject({ code: 'MA_LOG_DAMAGED' });
  });

  it('leaves a gap instead of an event that is too large to keep', async () => {
    const spool = new FakeSpool();
    const source = sourceOf({
      run: async (output) => output.emit([anEvent(1), anEvent(2, Buffer.alloc(17 << 20)), anEvent(3)], null),
    });
    const collecting = startCollecting([source], spool);
    await eventually(() => spool.kept.length > 0);
    await collecting.stop();
    expect(spool.events.slice(0, 3)).toMatchObject([
      { kind: 'DaemonChanged', sequence: 1 },
      { kind: 'GapDetected', body: { of_stream: 'daemon-log', from: T0 + 2, to: T0 + 2, lost: 1 } },
      { kind: 'DaemonChanged', sequence: 3 },
    ]);
  });

  it('turns lines that a live source rejects into a gap that lies around them', async () => {
    const spool = new FakeSpool();
    let output: SourceOutput | null = null;
    const source = sourceOf({
      isLive: true,
      run: async (given, _, signal) => {
        output = given;
        await given.emit([anEvent(1)], null);
        given.rejected('bad-stamp');
        given.rejected('bad-stamp');
        await given.emit([anEvent(2), anEvent(9)], null);
        await aborted(signal);
      },
    });
    const collecting = startCollecting([source], spool);
    await eventually(() => spool.kept.length > 0);
    await collecting.stop();
    expect(output).not.toBeNull();
    const gaps = spool.events.filter(
      (event) => event.kind === 'GapDetected' && event.body.kind === 'rejected-lines',
    );
    expect(gaps).toMatchObject([{ body: { from: T0 + 1, to: T0 + 9 + 2_000_000, lost: 2 } }]);
    const text = await collecting.metrics.text();
    expect(text).toMatch(/rejected_lines_total\{stream="daemon-log",reason="bad-stamp"\} 2/);
  });

  it('is ready only while every source is', async () => {
    let output: SourceOutput | undefined;
    const source = sourceOf({
      run: async (given, _, signal) => {
        output = given;
        await aborted(signal);
      },
    });
    const collecting = startCollecting([source], new FakeSpool());
    await eventually(() => output !== undefined);
    expect(collecting.health.isReady).toBe(false);
    output?.up();
    expect(collecting.health.isReady).toBe(true);
    output?.down('no such file');
    expect(collecting.health.conditions.find(({ name }) => name === 'fake')?.reason).toBe('no such file');
    await collecting.stop();
  });
});
