import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { EventFollower, type FollowedEvents } from '../../../src/collect/libvirt/follow-events.js';
import { MonitorEventReader } from '../../../src/collect/libvirt/monitor-event.js';
import { NameResolver } from '../../../src/collect/libvirt/resolve-names.js';
import { Virsh } from '../../../src/collect/libvirt/virsh.js';
import { VirshEventReader } from '../../../src/collect/libvirt/virsh-event.js';
import {
  DISCONNECTED,
  HastyClock,
  program,
  STAYS,
  StandInVirsh,
  start,
  temporaryDirectory,
} from '../stand-in.js';
import { captured, collect, ORIGIN } from './support.js';

const CAPTURES = join(import.meta.dirname, '../../golden/captures');
const PATIENCE = { timeout: 20_000, interval: 20 };

function lines(scenario: string, host = 'hosta', name = 'virsh-event.log'): string[] {
  return readFileSync(join(CAPTURES, scenario, host, name), 'latin1').split(/(?<=\n)/);
}

function follower(virsh: { path: string }, changes: Partial<FollowedEvents> = {}) {
  const clock = new HastyClock();
  const followed = vi.fn();
  const rebinding = vi.fn();
  const source = new EventFollower({
    ...{ name: 'virsh-event', stream: 'virsh-event', cluster: 'lab', host: 'hosta', boot: null },
    ...{ program: virsh.path, args: ['-r', 'uri; event --loop'], names: null, delay_us: 0, clock },
    reader: (origin, sink) => new VirshEventReader(origin, sink),
    saysWhatItMissed: false,
    onFollowed: followed,
    onRebinding: rebinding,
    ...changes,
  });
  return { source, clock, followed, rebinding };
}

describe('EventFollower', () => {
  it('gives what the reader finds in the output of a real virsh', async () => {
    const expected = captured(
      (origin, sink) => new VirshEventReader(origin, sink),
      'start',
      'hosta',
      'virsh-event.log',
    );
    const virsh = new StandInVirsh();
    const log = virsh.file('log', readFileSync(join(CAPTURES, 'start/hosta/virsh-event.log')));
    const { source, followed, rebinding } = follower(virsh.run(1, `cat ${log}; ${STAYS}`));
    const { received } = start(source);
    const events = expected.events.filter(({ kind }) => kind !== 'GapDetected');
    await vi.waitFor(() => expect(received.events).toHaveLength(events.length), PATIENCE);
    expect(received.events.map(({ sequence: _, ...event }) => event)).toEqual(
      events.map(({ sequence: _, ...event }) => event),
    );
    const sequences = received.events.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
    await vi.waitFor(() => expect(followed).toHaveBeenCalledTimes(1), PATIENCE);
    expect(rebinding).toHaveBeenCalled();
    expect(received).toMatchObject({ ups: 1, downs: [], restarts: 0, reasons: [] });
  });

  it('runs virsh again when it ends, and says what may be missing in between', async () => {
    const all = lines('start');
    const virsh = new StandInVirsh();
    const [first, rest] = [
      virsh.file('first', all.slice(0, 3).join('')),
      virsh.file('rest', all.slice(3).join('')),
    ];
    virsh.run(1, `cat ${first}; ${DISCONNECTED}`).run(2, `cat ${rest}; ${STAYS}`);
    const { source, followed } = follower(virsh);
    const { received } = start(source);
    await vi.waitFor(() => expect(followed).toHaveBeenCalledTimes(1), PATIENCE);
    const [gap, ...others] = received.of('GapDetected');
    expect(others).toEqual([]);
    expect(gap?.body).toMatchObject({ kind: 'event-stream-ended', of_stream: 'virsh-event' });
    expect(gap?.body.detail).toContain('Disconnected from qemu:///system');
    expect(gap?.body.from).toBeLessThan(gap?.body.to as number);
    expect(received.downs).toEqual([expect.stringContaining('due to end of file')]);
    expect(received.restarts).toBe(1);
    const sequences = received.events.filter(({ stream }) => stream === 'virsh-event').map((e) => e.sequence);
    expect(new Set(sequences).size).toBe(sequences.length);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
  });

  it('goes on where it stood when the collector starts again, with the time between as a gap', async () => {
    const [line = ''] = lines('start');
    const virsh = new StandInVirsh();
    const log = virsh.file('log', line);
    virsh.run(1, `cat ${log}; ${STAYS}`).run(2, `cat ${log}; ${STAYS}`);
    const first = start(follower(virsh).source);
    await vi.waitFor(() => expect(first.received.events).toHaveLength(1), PATIENCE);
    await first.stop();
    const { seen_us } = JSON.parse(String(first.received.checkpoint)) as { seen_us: number };
    const second = start(follower(virsh).source, first.received.checkpoint);
    await vi.waitFor(() => expect(second.received.events).toHaveLength(2), PATIENCE);
    const [gap] = second.received.of('GapDetected');
    expect(gap?.body).toMatchObject({ kind: 'collector-down', from: seen_us });
    const [before, after] = [first, second].map(
      ({ received }) => received.of('LifecycleChanged')[0]?.sequence ?? 0,
    );
    expect(after).toBe((before as number) + 1);
  });

  it.each([Buffer.from('{'), Buffer.from('{"sequence":"7","seen_us":-1}'), Buffer.alloc(300, 0xff)])(
    'begins beyond every earlier sequence when its checkpoint is damaged: %s',
    async (checkpoint) => {
      const virsh = new StandInVirsh();
      virsh.run(1, `cat ${virsh.file('log', lines('start').slice(0, 1).join(''))}; ${STAYS}`);
      const began_ms = Date.now();
      const { received } = start(follower(virsh).source, checkpoint);
      await vi.waitFor(() => expect(received.events).toHaveLength(1), PATIENCE);
      expect(received.events[0]?.sequence).toBeGreaterThanOrEqual(began_ms);
    },
  );

  it('says that it has seen nothing of an earlier time, where other streams may reach back', async () => {
    const virsh = new StandInVirsh().run(1, STAYS);
    const { received } = start(follower(virsh, { saysWhatItMissed: true }).source);
    await vi.waitFor(() => expect(received.of('GapDetected')).toHaveLength(1), PATIENCE);
    expect(received.of('GapDetected')[0]?.body).toMatchObject({ kind: 'collector-down', from: null });
  });

  it('puts lines together that come in pieces', async () => {
    const [line = ''] = lines('start');
    const virsh = new StandInVirsh();
    const halves = [virsh.file('a', line.slice(0, 40)), virsh.file('b', line.slice(40))];
    virsh.run(1, `cat ${halves[0]}; sleep 0.5; cat ${halves[1]}; ${STAYS}`);
    const { received } = start(follower(virsh).source);
    await vi.waitFor(() => expect(received.events).toHaveLength(1), PATIENCE);
    expect(received.events[0]?.witness.toString()).toBe(line.trimEnd());
    expect(received.reasons).toEqual([]);
  });

  it('reads on behind garbage, and says where it stood', async () => {
    const virsh = new StandInVirsh();
    const noise = Buffer.alloc(300_000);
    for (let i = 0; i < noise.length; i++) noise[i] = (i * 7919) % 251;
    const [one = '', two = ''] = lines('start');
    const log = virsh.file('log', Buffer.concat([Buffer.from(one), noise, Buffer.from(`\n${two}`)]));
    virsh.run(1, `cat ${log}; ${STAYS}`);
    const { received } = start(follower(virsh).source);
    await vi.waitFor(() => expect(received.of('LifecycleChanged')).toHaveLength(2), PATIENCE);
    const gaps = received.of('GapDetected').map(({ body }) => body);
    expect(gaps.every(({ kind }) => kind === 'rejected-lines')).toBe(true);
    expect(gaps.reduce((sum, { lost }) => sum + (lost ?? 0), 0)).toBe(received.reasons.length);
    expect(received.reasons.length).toBeGreaterThan(100);
  });

  it('rejects a line that the end of virsh cut', async () => {
    const virsh = new StandInVirsh();
    const cut = virsh.file('cut', (lines('start')[0] as string).slice(0, 60));
    virsh.run(1, `cat ${cut}; exit 0`).run(2, STAYS);
    const { received } = start(follower(virsh).source);
    await vi.waitFor(() => expect(received.of('GapDetected')).toHaveLength(2), PATIENCE);
    expect(received.reasons).toEqual(['unterminated-line']);
    expect(received.of('LifecycleChanged')).toEqual([]);
  });

  it('leaves output in the pipe while there is no room for events', async () => {
    const virsh = new StandInVirsh();
    const block = virsh.file('block', (lines('start')[0] as string).repeat(1000));
    virsh.run(
      1,
      `i=0; while [ $i -lt 40 ]; do cat ${block}; i=$((i + 1)); echo $i > "$dir/written"; done; ${STAYS}`,
    );
    const { source } = follower(virsh);
    let makeRoom = () => {};
    const { received } = start(source);
    received.full = new Promise((resolve) => {
      makeRoom = resolve;
    });
    await vi.waitFor(() => expect(virsh.left('written')).not.toBe(''), PATIENCE);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const written = Number(virsh.left('written'));
    expect(written).toBeLessThan(10);
    received.full = null;
    makeRoom();
    await vi.waitFor(() => expect(received.events).toHaveLength(40_000), PATIENCE);
    expect(received.restarts).toBe(0);
  }, 30_000);

  it('says why virsh cannot be run, and follows it once it can', async () => {
    const directory = temporaryDirectory();
    const { source, clock } = follower({ path: join(directory, 'virsh') });
    const { received } = start(source);
    await vi.waitFor(() => expect(received.downs.length).toBeGreaterThan(7), PATIENCE);
    expect(new Set(received.downs)).toEqual(new Set([`${join(directory, 'virsh')}: no such program`]));
    expect(clock.waits_ms[0]).toBeLessThanOrEqual(1000);
    expect(Math.max(...clock.waits_ms)).toBeGreaterThan(30_000);
    expect(Math.max(...clock.waits_ms)).toBeLessThanOrEqual(60_000);
    expect(source.watermark_us()).toBeNull();
    program(directory, 'virsh', `echo qemu:///system; ${STAYS}`);
    await vi.waitFor(() => expect(received.ups).toBe(1), PATIENCE);
    await vi.waitFor(() => expect(source.watermark_us()).not.toBeNull(), PATIENCE);
    expect(received.of('GapDetected')).toEqual([]);
  });

  it('tells what libvirt says when it refuses', async () => {
    const refusal = 'error: authentication failed: access denied by policy';
    const virsh = new StandInVirsh().bareRun(1, `echo "${refusal}" >&2; exit 1`).run(2, STAYS);
    const { received } = start(follower(virsh).source);
    await vi.waitFor(() => expect(received.ups).toBe(1), PATIENCE);
    expect(received.downs).toEqual([refusal]);
  });

  it('gives up a virsh that never says that it is connected', async () => {
    const virsh = new StandInVirsh().bareRun(1, STAYS).run(2, STAYS);
    const { source, clock } = follower(virsh);
    const { received } = start(source);
    await vi.waitFor(() => expect(virsh.left('pid')).not.toBe(''), PATIENCE);
    clock.ahead_us = 61_000_000;
    await vi.waitFor(() => expect(received.ups).toBe(1), PATIENCE);
    expect(received.downs).toEqual(['libvirt does not answer']);
  });

  it('kills a virsh that does not end', async () => {
    const virsh = new StandInVirsh().run(1, `trap '' TERM; while :; do sleep 1; done`);
    const { received, stop } = start(follower(virsh).source);
    await vi.waitFor(() => expect(received.ups).toBe(1), PATIENCE);
    await stop();
    expect(() => process.kill(Number(virsh.left('pid')), 0)).toThrow('ESRCH');
  }, 20_000);

  it('knows no more than what was read', async () => {
    const virsh = new StandInVirsh().run(1, `sleep 1.2; ${DISCONNECTED}`).bareRun(2, STAYS);
    const { source } = follower(virsh, { delay_us: 1_000_000 });
    const { received } = start(source);
    expect(source.watermark_us()).toBeNull();
    await vi.waitFor(() => expect(source.watermark_us()).not.toBeNull(), PATIENCE);
    expect(source.watermark_us()).toBeLessThanOrEqual((Date.now() - 1000) * 1000);
    await vi.waitFor(() => expect(received.restarts).toBe(1), PATIENCE);
    expect(source.watermark_us()).toBeNull();
  });

  it('reads QEMU’s own times, and gives monitor events the names they have', async () => {
    const text = "event STOP at 1795396298.074566 for domain 'vm1': <null>\n";
    const virsh = new StandInVirsh();
    virsh.run(1, `cat ${virsh.file('log', text)}; ${STAYS}`);
    const reader: FollowedEvents['reader'] = (origin, sink) => new MonitorEventReader(origin, sink);
    const { received } = start(follower(virsh, { stream: 'qemu-monitor-event', reader }).source);
    await vi.waitFor(() => expect(received.events).toHaveLength(1), PATIENCE);
    expect(received.events[0]).toMatchObject({ kind: 'VcpusStopped', at: 1_795_396_298_074_566 });
  });

  it('names the guest that has the name when the event comes', async () => {
    const uuid = '6695eb01-f6a4-8304-79aa-97f2502e193f';
    const name = Buffer.from('n\xffb "x"; $(x)', 'latin1');
    const line = Buffer.concat([
      Buffer.from("2026-11-23 00:47:10.527+0000: event 'lifecycle' for domain '"),
      name,
      Buffer.from("': Started Booted\n"),
    ]);
    const virsh = new StandInVirsh().answer(
      'list',
      Buffer.concat([Buffer.from(`${uuid} `), name, Buffer.from('\n')]),
    );
    virsh.run(1, `cat ${virsh.file('log', line)}; ${STAYS}`);
    const names = new NameResolver(
      new Virsh({ program: virsh.path, uri: 'qemu:///system', timeout_ms: 10_000 }),
    );
    const { received } = start(follower(virsh, { names }).source);
    await vi.waitFor(() => expect(received.events).toHaveLength(1), PATIENCE);
    const [event] = received.of('LifecycleChanged');
    expect(event?.body.guest).toEqual({ uuid, name: 'n\udcffb "x"; $(x)' });
    const [unnamed] = collect((origin, sink) => new VirshEventReader(origin, sink), [line], ORIGIN).events;
    expect(event?.id).toBe(unnamed?.id);
    expect(virsh.questions()).toEqual([expect.stringMatching(/^list --all --uuid --name; echo end-\S+$/)]);
  });
});
