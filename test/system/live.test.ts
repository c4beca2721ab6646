import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createState, decide, evolve } from '../../src/correlate/correlate.js';
import type { Report } from '../../src/domain/report.js';
import { openLocalLog } from '../../src/eventlog/local/local-log.js';
import { encodeEvent } from '../../src/events/codec.js';
import type { Event, EventKind, EventOf } from '../../src/events/event.js';
import { sourcesOfCapture } from '../../src/replay/capture.js';
import { replay } from '../../src/replay/replay.js';
import { eventsIn } from '../collect/collecting.js';
import { KEPT_LOG } from '../services/hypervisor/audit-daemon.js';
import { PROBE_GUEST } from '../services/hypervisor/libvirt-daemon.js';
import { whyNoHypervisor } from '../services/hypervisor/requirements.js';
import { until } from '../services/hypervisor/until.js';
import { IMAGES, SHARED_IMAGES, SHARED_SOURCE } from '../services/hypervisor.js';
import { type KeyedCall, keyedCalls } from './hypervisor/audit-lines.js';
import { PLAYED_GUEST, PLAYED_IMAGE, PLAYED_IMAGES, playedHost } from './hypervisor/played-host.js';
import { Stage } from './hypervisor/stage.js';
import {
  AWKWARD_NAMES,
  everyKindOfCall,
  runAwkwardGuests,
  toQemu,
  toRoot,
} from './hypervisor/things-to-do.js';
import { type Ended, ROOT, RunningProgram } from './running-program.js';

/**
 * The built program's `run` beside a real hypervisor, while its log is cut again and again, libvirtd is restarted and
 * killed, and the program itself, too. In the end it has to have told every event once: what replay reads in a copy of
 * the log from which nothing was cut. Then another host's guest comes in, and its findings are asked for.
 */
const why = whyNoHypervisor();
if (why !== null)
  console.warn(`SKIPPED: the program beside a real hypervisor. None can be started here: ${why}`);

/** of the program, with SIGKILL */
const KILLS = 4;
/** files that auditd keeps, of 1 MB: one that is written later has the inode of one that is gone */
const LOGS = 10;
const DIRECTORY = '/var/lib/libvirt/audited';
const SHARED_PATHS = [SHARED_IMAGES, PLAYED_IMAGES];
const FILE = `${DIRECTORY}/config.yaml`;
const CONFIGURATION = `cluster: lab
host: hosta
data_directory: ${DIRECTORY}/data
listen: {port: 0}
collect:
  audit: {from: oldest}
  kernel_losses: {every_s: 1}
  heartbeat: {every_s: 1}
storage: {shared_paths: ${JSON.stringify(SHARED_PATHS)}}
`;
const SPOOL = { bytes_max: 1 << 30, retain_us: 1e15 };

describe.skipIf(why !== null)('the program beside a real hypervisor', () => {
  const directory = mkdtempSync(join(tmpdir(), 'migration-audit-test-'));
  const read: Event[] = [];
  let collected: Event[];
  let report: Report;
  let doctors: Ended[];
  let away: RunningProgram['away'];
  let listed: Ended;
  let calls: KeyedCall[];
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.set({ format: 'ENRICHED', logs: LOGS });
    const { enclosure } = stage.hypervisor;
    const host = join(directory, 'capture', 'hosta');
    try {
      mkdirSync(enclosure.path(DIRECTORY));
      writeFileSync(enclosure.path(FILE), CONFIGURATION);
      const program = new RunningProgram((...args) =>
        enclosure.spawn(process.execPath, [join(ROOT, 'dist/cli.js'), ...args, '--config', FILE]),
      );
      const examined = () => program.command('doctor', '--format', 'json');
      doctors = [await examined()];
      const denied_ms = await play(stage, program);
      doctors.push(await examined());
      away = [...program.away];
      const log = enclosure.path(`${DIRECTORY}/data/event-log`);
      cpSync(log, join(directory, 'spool'), { recursive: true });
      mkdirSync(host, { recursive: true });
      cpSync(enclosure.path(KEPT_LOG), join(host, 'audit.log'));
      const played = await playedHost(join(directory, 'played'), 'hostb', {
        storage: SHARED_SOURCE,
        denied_ms,
      });
      // LMDB opens no directory of another mount namespace
      cpSync(log, join(directory, 'both'), { recursive: true });
      await append(join(directory, 'both'), played);
      cpSync(join(directory, 'both'), log, { recursive: true });
      await program.start('run');
      await until('the program finds what hurts the guest of the other host', async () => {
        listed = await program.command('findings', '--format', 'json');
        // while the role is starting there is nothing to ask
        return listed.out !== '' && foundIn(listed).length > 1;
      });
      await program.stop('SIGTERM');
    } finally {
      await stage.close();
    }
    calls = keyedCalls(host);
    await replay(await sourcesOfCapture(join(directory, 'capture')), {
      cluster: 'lab',
      onEvents: async (some) => {
        read.push(...some);
      },
    });
    const log = openLocalLog({ directory: join(directory, 'spool'), ...SPOOL });
    collected = await eventsIn(log);
    await log.close();
    report = reportOn(collected);
  }, 600_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('tells every event of the audit log once, as replay reads it', () => {
    const ids = (events: readonly Event[]) =>
      events.filter(({ stream, kind }) => stream === 'audit' && kind !== 'GapDetected').map(({ id }) => id);
    expect(ids(collected).sort()).toEqual(ids(read).sort());
    expect(new Set(collected.map(({ id }) => id)).size).toBe(collected.length);
    expect(statSync(join(directory, 'capture', 'hosta', 'audit.log')).size).toBeGreaterThan(LOGS * 1e6);
  });

  it('tells of no hole in the audit log that the whole log does not have, either', () => {
    const holes = (events: readonly Event[]) =>
      events
        .filter((event) => event.kind === 'GapDetected' && event.body.of_stream === 'audit')
        .map(({ id }) => id);
    expect(holes(collected).sort()).toEqual(holes(read).sort());
  });

  it('knows the owner whenever it listens, is never wrong about it, and accuses nobody', () => {
    const phases = new Map(calls.map(({ serial, phase }) => [serial, phase]));
    const silences = of('GapDetected').filter(({ body }) => body.of_stream === 'virsh-event');
    // while virsh is not heard a guest could be handed over, and whoever destroys it may destroy what is left of it
    const isSilent = (at_us: number) =>
      silences.some(({ body }) => (body.from ?? 0) <= at_us && at_us <= (body.to ?? at_us));
    const open: number[] = [];
    expect(report.relabels.length).toBeGreaterThan(150);
    for (const { serial, at_us, guest, owner, verdict } of report.relabels) {
      const isRunning = stage.running[phases.get(serial) as number]?.has(guest?.uuid ?? '');
      if (isRunning && owner === null && isSilent(at_us)) open.push(serial);
      else expect([serial, guest?.name, owner]).toEqual([serial, guest?.name, isRunning ? 'hosta' : null]);
      expect(['clean', 'undetermined']).toContain(verdict);
    }
    expect(open.length).toBeLessThan(report.relabels.length / 4);
  });

  it('finds what hurts the guest of another host', () => {
    expect([listed.code, listed.err]).toEqual([1, '']);
    const [byLibvirt, byAdmin] = foundIn(listed).sort((a, b) => Date.parse(a.opened) - Date.parse(b.opened));
    const accusation = { owner: 'hostb', host: 'hosta', verdict: 'violation', severity: 'critical' };
    expect(byLibvirt).toMatchObject({ ...accusation, cause: 'foreign-host', state: 'resolved' });
    expect(byAdmin).toMatchObject({ ...accusation, cause: 'foreign-program', state: 'open' });
    expect(byAdmin?.impact.io_errors).toBeGreaterThan(0);
    expect(new Set([byLibvirt, byAdmin].flatMap((finding) => finding?.relabels)).size).toBe(2);
  });

  it('is told by the doctor what this host lacks, and nothing that it has', () => {
    const [before, after] = doctors.map(({ code, out, err }) => {
      const { ready, items } = JSON.parse(out) as { ready: boolean; items: { id: string; state: string }[] };
      // machines differ in how they keep the time, and no verdict rests on it
      const lacks = items.filter(({ id, state }) => state !== 'well' && id !== 'clock');
      return { code, ready, lacks: lacks.map(({ id, state }) => `${id} ${state}`).sort(), err };
    });
    // files of 1 MB, and a file system that was mounted before the rules, which nobody can see afterwards
    const lacks = ['audit-late-mounts weak', 'audit-rotation weak'];
    expect(before).toEqual({ code: 1, ready: false, lacks: [...lacks, 'data-directory missing'], err: '' });
    // auditd was away for a while, and the kernel counted what it lost
    expect(after).toEqual({ code: 0, ready: true, lacks: [...lacks, 'auditd weak'], err: '' });
  });

  it('hears every event of every guest while it listens, and knows whose it is', () => {
    const told = of('LifecycleChanged');
    // of a guest that was defined and started before libvirt could be asked, the name is all that is known for sure
    for (const { body } of told) expect([uuidOf(body.guest.name ?? ''), null]).toContain(body.guest.uuid);
    expect(told.filter(({ body }) => body.guest.uuid !== null).length).toBeGreaterThan(told.length / 2);
    for (const name of AWKWARD_NAMES) {
      const turns = told
        .filter(({ body }) => body.guest.name === name && ['Started', 'Stopped'].includes(body.event))
        .map(({ body }) => `${body.event} ${body.detail}`);
      expect([name, turns]).toEqual([name, ['Started Booted', 'Stopped Destroyed']]);
    }
  });

  it('tells since when it did not listen, and looks who runs after each time', () => {
    const gaps = of('GapDetected').filter(({ body }) => body.of_stream === 'virsh-event');
    expect(away).toHaveLength(KILLS);
    for (const { from_ms, to_ms } of away)
      expect(
        gaps.some(
          ({ body }) =>
            body.from !== null && body.from <= from_ms * 1000 && body.to !== null && body.to >= to_ms * 1000,
        ),
      ).toBe(true);
    expect(gaps.map(({ body }) => body.kind)).toContain('event-stream-ended');
    const lists = of('GuestsListed').map(({ body }) => body);
    // a guest that is just being started is left out of a list, which is not complete then, and soon made again
    expect(lists.length).toBeGreaterThan(gaps.length);
    expect(lists.filter(({ complete }) => complete).length).toBeGreaterThan(lists.length / 2);
    for (const { guests } of lists) {
      for (const { guest } of guests) expect(guest.uuid).toBe(uuidOf(guest.name ?? ''));
    }
    expect(lists[0]?.guests.find(({ guest }) => guest.name === 'early')?.state).toBe('running');
  });

  function of<K extends EventKind>(kind: K): EventOf<K>[] {
    return collected.filter((event) => event.kind === kind) as EventOf<K>[];
  }

  function uuidOf(name: string): string | undefined {
    return [...stage.guests, PROBE_GUEST].find((guest) => guest.name === name)?.uuid;
  }
});

async function play(stage: Stage, program: RunningProgram): Promise<number> {
  const { hypervisor } = stage;
  // one that runs before the program does
  const early = `${SHARED_IMAGES}/early.raw`;
  const earlyGuest = await stage.define('early', [early]);
  await stage.start(earlyGuest);
  await stage.make(toRoot(early), toQemu(early));
  await program.start('run');
  await program.ready();
  await runAwkwardGuests(stage);
  const image = `${SHARED_IMAGES}/main.raw`;
  const guest = await stage.define('main', [image, `${IMAGES}/local.raw`]);
  await stage.start(guest);
  await stage.make(...everyKindOfCall(image));
  for (let times = 0; times < 3; times++) {
    await stage.fill(3000);
    await hypervisor.audit.rotate();
    await program.caughtUp();
  }
  await stage.restartLibvirt('SIGTERM');
  await stage.make(toRoot(image), toQemu(image));
  await program.caughtUp();
  await stage.restartLibvirt('SIGKILL', () => program.notReady('virsh-event', /libvirt|virsh|socket/));
  await program.caughtUp();
  await stage.make(toRoot(image), toQemu(image));
  await guest.virsh('suspend');
  await guest.virsh('resume');

  // killed in the midst of it, and away while the log is cut more than once
  const filling = stage.fill(4000);
  await program.stop('SIGKILL');
  await filling;
  await hypervisor.audit.rotate();
  await stage.make(toRoot(image), toQemu(image));
  await stage.destroy(guest);
  await stage.start(guest);
  await hypervisor.audit.rotate();
  for (let kills = 1; kills < KILLS; kills++) {
    await program.start('run');
    await program.ready();
    await stage.fill(500);
    await program.stop('SIGKILL');
  }
  await program.start('run');
  await program.ready();
  await stage.make(toRoot(image), toQemu(image));
  await stage.destroy(guest);
  await stage.make(toRoot(early), toQemu(early));
  await stage.destroy(earlyGuest);

  // the image of another host's guest: libvirt takes it for one of its own guest's, and then an admin comes
  const foreign = `${SHARED_IMAGES}/${PLAYED_IMAGE}`;
  const copy = await stage.define('copy', [foreign]);
  await stage.start(copy);
  await stage.destroy(copy);
  await stage.make(toQemu(foreign));
  const deniedAt_ms = Date.now();
  await stage.make(toRoot(foreign));
  await stage.withoutAuditd(() => stage.fill(100));
  await stage.fill(100);
  await hypervisor.audit.settle();
  await program.caughtUp();
  expect(await program.stop('SIGTERM')).toBe(0);
  return deniedAt_ms;
}

function reportOn(events: readonly Event[]): Report {
  const state = createState({ sharedPaths: SHARED_PATHS });
  for (const event of events) evolve(state, event);
  return decide(state);
}

/** As if they had come from the other host. */
async function append(directory: string, events: readonly Event[]): Promise<void> {
  const log = openLocalLog({ directory, ...SPOOL });
  const records = events.map((event) => ({ key: event.cluster, id: event.id, value: encodeEvent(event) }));
  await log.append({ records, checkpoints: new Map() });
  await log.close();
}

interface Found {
  kind: string;
  cause: string;
  opened: string;
  guest: { uuid: string };
  relabels: string[];
  impact: { io_errors: number };
}

/** Findings about relabels of the other host's guest. */
function foundIn({ out }: Ended): Found[] {
  const { findings } = JSON.parse(out) as { findings: Found[] };
  return findings.filter(({ kind, guest }) => kind === 'relabel' && guest.uuid === PLAYED_GUEST.uuid);
}
