import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/eventlog/crc32c.js';
import { type LocalLogOptions, openLocalLog } from '../../src/eventlog/local/local-log.js';
import type { NewRecord } from '../../src/eventlog/port.js';
import { append, describeProcessorLog, describeSpool, readUntil, record, taken } from './contract.js';

const makeDirectory = () => mkdtemp(join(tmpdir(), 'migration-audit-log-'));

async function openFresh() {
  const directory = await makeDirectory();
  const log = openLocalLog({ directory, bytes_max: 1 << 20, retain_us: 1e9 });
  const clean = async () => {
    await log.close();
    await rm(directory, { recursive: true });
  };
  return { log, add: (records: NewRecord[]) => append(log, records), clean };
}

describeProcessorLog('the local log', openFresh);
describeSpool('the local log', openFresh);

describe('the local log', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await makeDirectory();
  });
  afterEach(() => rm(directory, { recursive: true }));
  const open = (options: Partial<LocalLogOptions> = {}) =>
    openLocalLog({ directory, bytes_max: 1 << 20, retain_us: 1e9, ...options });

  it('is there again after it was closed', async () => {
    const first = open();
    await append(first, [record('a')], [['s', Buffer.from('1')]]);
    await first.close();
    const again = open();
    expect(again.checkpoint('s')?.toString()).toBe('1');
    expect((await append(again, [record('a')])).duplicates).toBe(1);
    expect(again.statistics().topics.events).toMatchObject({ records: 1, oldest_offset: 0, next_offset: 1 });
    await again.close();
  });

  it('has one writer, and any number of readers who cannot write', async () => {
    const log = open();
    expect(() => open()).toThrow(expect.objectContaining({ code: 'MA_LOG_IN_USE' }));
    await append(log, [record('a')]);
    await log.close();
    const reader = open({ readOnly: true });
    expect(reader.lag('g', 'events').records).toBe(1);
    await expect(append(reader, [record('b')])).rejects.toMatchObject({ code: 'MA_LOG_WRITE' });
    await reader.close();
  });

  it('refuses what goes beyond its limit, whole, and takes it when a group has read', async () => {
    const log = open({ bytes_max: 50 });
    await append(log, [record('0123456789')]);
    const more = [record('abcdefghij')];
    await expect(append(log, more, [['s', Buffer.from('1')]])).rejects.toMatchObject({ code: 'MA_LOG_FULL' });
    expect(log.checkpoint('s')).toBeNull();
    await readUntil(log, {}, taken(1));
    expect((await append(log, more)).duplicates).toBe(0);
    expect(log.statistics().topics.events).toMatchObject({ records: 1, oldest_offset: 1 });
    expect((await append(log, [record('0123456789')])).duplicates).toBe(1);
    await log.close();
  });

  it('drops by time what every group has read, and its id with it', async () => {
    let now = 0;
    const log = open({ retain_us: 100, clock: () => now });
    await append(log, [record('a')]);
    await readUntil(log, { group: 'one' }, taken(1));
    const slow = readUntil(
      log,
      {
        group: 'two',
        answer: () => {
          throw new Error('slow');
        },
      },
      taken(1),
    );
    await expect(slow).rejects.toThrow('slow');
    now = 200;
    await append(log, [record('b')]);
    expect(log.statistics().topics.events.records).toBe(2);
    await readUntil(log, { group: 'two' }, taken(2));
    await readUntil(log, { group: 'one' }, taken(1));
    await append(log, []);
    expect(log.statistics().topics.events).toMatchObject({ records: 1, oldest_offset: 1 });
    expect((await append(log, [record('a')])).duplicates).toBe(0);
    await log.close();
  });
});

describe('crc32c', () => {
  it('gives the check value of its specification', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });

  it('is the same in one piece and byte by byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const one_by_one = [...bytes].reduce((crc, byte) => crc32c(Uint8Array.of(byte), crc), 0);
        expect(crc32c(bytes)).toBe(one_by_one);
      }),
    );
  });
});
