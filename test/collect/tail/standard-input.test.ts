import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { standardInputSource } from '../../../src/collect/tail/standard-input.js';
import { temporaryDirectory } from '../../replay/temporary-directory.js';
import { clock, eventLog, eventsIn, eventually, idsOfReplay, PLACE, startCollecting } from '../collecting.js';

const RECORDS = new URL('../../golden/audit-records/', import.meta.url).pathname;

/** What auditd fed its plugin, scenario after scenario, with EOE records. */
function fed(): Buffer {
  const scenarios = readdirSync(RECORDS).filter((name) => name.startsWith('chown'));
  return Buffer.concat(scenarios.map((name) => readFileSync(join(RECORDS, name, 'plugin-stdin.log'))));
}

describe('standard input as a source', () => {
  it('gives what a replay of the same bytes gives, and a gap when it ends', async () => {
    const input = new PassThrough();
    const log = eventLog();
    const source = standardInputSource({ name: 'audit', input, place: PLACE, clock, quiet_ms: 20 });
    const collecting = startCollecting([source], log);
    const bytes = fed();
    for (let at = 0; at < bytes.length; at += 777) input.write(bytes.subarray(at, at + 777));
    input.end();
    const isEnded = () => collecting.health.conditions.some(({ reason }) => reason === 'it has ended');
    await eventually(isEnded);
    await collecting.stop();
    const events = await eventsIn(log);
    const wanted = await idsOfReplay(join(temporaryDirectory({ 'audit.log': bytes }), 'audit.log'), 'audit');
    expect(wanted.length).toBeGreaterThan(5);
    expect(
      events
        .filter(({ stream }) => stream === 'audit')
        .map(({ id }) => id)
        .sort(),
    ).toEqual(wanted.sort());
    expect(events.filter(({ stream }) => stream === 'collector')).toMatchObject([
      { body: { kind: 'collector-down', from: null } },
      { body: { kind: 'collector-down', to: null } },
      { kind: 'Heartbeat' },
    ]);
  });

  it('tells what is open when nothing more comes', async () => {
    const input = new PassThrough();
    const log = eventLog();
    const source = standardInputSource({ name: 'audit', input, place: PLACE, clock, quiet_ms: 20 });
    const collecting = startCollecting([source], log);
    const [first] = readFileSync(join(RECORDS, 'chown-abs-ok/plugin-stdin.log'), 'latin1').split('\n');
    input.write(`${first}\n`);
    await eventually(async () => (await eventsIn(log)).some(({ kind }) => kind === 'RelabelObserved'));
    const from = clock();
    await eventually(() => (source.watermark_us() ?? 0) > from - 4_000_000);
    await collecting.stop();
  });

  it('reads no faster than what it reads is kept', async () => {
    const input = new PassThrough({ highWaterMark: 1000 });
    const log = eventLog();
    const source = standardInputSource({ name: 'audit', input, place: PLACE, clock });
    const refusing = { append: () => new Promise<never>(() => {}), checkpoint: () => null };
    startCollecting([source], refusing, { limits: { waiting_bytes_max: 1000 } });
    const bytes = fed();
    let written = 0;
    for (; written < 20_000_000; written += bytes.length) {
      if (!input.write(bytes)) await Promise.race([once(input, 'drain'), sleep(200)]);
      if (input.writableNeedDrain) break;
    }
    expect(written).toBeLessThan(5_000_000);
    await log.close();
  });
});
