import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { HostFactsSource } from '../../../src/collect/host/facts-source.js';
import { hostReadings, type Reading } from '../../../src/collect/host/readings.js';
import { Virsh } from '../../../src/collect/libvirt/virsh.js';
import type { RunProgram } from '../../../src/collect/process/run-program.js';
import type { Event } from '../../../src/events/event.js';
import { HastyClock, StandInVirsh, start, temporaryDirectory } from '../stand-in.js';

const CAPTURE = join(import.meta.dirname, '../../golden/captures/start/hosta');
const PATIENCE = { timeout: 20_000, interval: 10 };
const DAY_US = 86_400e6;
const UUID = 'aaaaaaaa-0000-4000-8000-000000000001';

/** A clock that stands still, and a source that reads when it is told to. */
class SteppedClock extends HastyClock {
  private release: (() => void) | null = null;
  private at_us = 1_795_396_325_000_000;

  override now_us(): number {
    return this.at_us;
  }
  override sleep(wait_ms: number, signal: AbortSignal): Promise<void> {
    this.waits_ms.push(wait_ms);
    return new Promise((resolve) => {
      this.release = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
  }
  get isWaiting(): boolean {
    return this.release !== null;
  }
  step(by_us: number): void {
    this.at_us += by_us;
    const release = this.release;
    this.release = null;
    release?.();
  }
}

function setUp(readings: Reading[], virsh: StandInVirsh | null = null) {
  const clock = new SteppedClock();
  const asked = virsh && new Virsh({ program: virsh.path, uri: 'qemu:///system', timeout_ms: 10_000 });
  const place = { cluster: 'lab', host: 'hosta', boot: null };
  const source = new HostFactsSource({ ...place, readings, virsh: asked, every_s: () => 300, clock });
  const { received } = start(source);
  /** once the source waits: what it said since the last time */
  const said = async (): Promise<Event[]> => {
    await vi.waitFor(() => expect(clock.isWaiting).toBe(true), PATIENCE);
    return received.events.splice(0);
  };
  /** What the next reading says: after the peace that follows one, and the time between two. */
  const reading = async (by_us = 300e6): Promise<Event[]> => {
    const events: Event[] = [];
    for (const before = reads; reads === before; ) {
      clock.step(by_us);
      events.push(...(await said()));
    }
    return events;
  };
  let reads = 0;
  readings.push({
    name: 'kernel-release',
    read: async () => {
      reads++;
      return Buffer.from('6.12\n');
    },
  });
  return { source, received, clock, said, reading };
}

function holding(name: string, first: Buffer | string | null): Reading & { content: Buffer | string | null } {
  const held = { name, content: first, read: async () => held.content };
  return held;
}

function kinds(events: readonly Event[]): string[] {
  return events.map(({ kind, body }) => ('origin' in body ? `${kind} ${body.origin}` : kind));
}

describe('HostFactsSource', () => {
  it('says everything once, then only what changed', async () => {
    const mounts = holding('mountinfo', readFileSync(join(CAPTURE, 'mountinfo')));
    const conf = holding('qemu.conf', readFileSync(join(CAPTURE, 'qemu.conf')));
    const { said, reading } = setUp([mounts, conf]);
    expect(kinds(await said())).toEqual([
      'HostFactsRead mountinfo',
      'HostFactsRead qemu.conf',
      'HostFactsRead kernel-release',
    ]);
    expect(await reading()).toEqual([]);
    conf.content = Buffer.from('user = "root"\n');
    const [changed, ...others] = await reading();
    expect(changed?.body).toMatchObject({ qemu_conf: { user: 'root' } });
    expect(others).toEqual([]);
    conf.content = Buffer.from('# who it runs as\nuser = "root"\n');
    expect(await reading()).toEqual([]);
    expect(kinds(await reading(DAY_US))).toEqual([
      'HostFactsRead mountinfo',
      'HostFactsRead qemu.conf',
      'HostFactsRead kernel-release',
    ]);
  });

  it('says once that something cannot be read, and what it holds when it can be', async () => {
    const conf = holding('qemu.conf', '/etc/libvirt/qemu.conf may not be read by this user');
    const xml = holding('capabilities.xml', Buffer.from('<capabilities><host'));
    const { said, reading, received } = setUp([conf, xml]);
    const gaps = (await said()).filter(({ kind }) => kind === 'GapDetected');
    expect(gaps.map(({ body }) => body)).toMatchObject([
      { kind: 'file-unreadable', of_stream: 'host-facts', detail: conf.content },
      { kind: 'file-unreadable', detail: expect.stringMatching(/^capabilities.xml.*damaged XML/) },
    ]);
    expect(await reading()).toEqual([]);
    conf.content = Buffer.from('user = "qemu"\n');
    expect(kinds(await reading())).toEqual(['HostFactsRead qemu.conf']);
    expect(received.downs).toEqual([]);
  });

  it('takes back exports that are no more', async () => {
    const exports = holding('exports', Buffer.from('/srv 10.0.0.0/8(rw)\n'));
    const { said, reading } = setUp([exports, holding('qemu.conf', null)]);
    expect(kinds(await said())).toEqual(['HostFactsRead exports', 'HostFactsRead kernel-release']);
    exports.content = null;
    expect((await reading()).map(({ body }) => body)).toMatchObject([{ exports: [] }]);
  });

  it('lists guests with names, images and labels, again after a gap, and never twice for nothing', async () => {
    const virsh = new StandInVirsh()
      .answer('list', `${UUID} vm1\n`)
      .answer(`state-${UUID}`, 'running (booted)\n')
      .answer(`xml-${UUID}`, readFileSync(join(CAPTURE, 'domain-vm1.xml')))
      .answer('version', readFileSync(join(CAPTURE, 'virsh-version')))
      .answer('capabilities', readFileSync(join(CAPTURE, 'capabilities.xml')));
    const { said, reading, source, clock, received } = setUp([], virsh);
    await said();
    const first = await reading();
    expect(kinds(first)).toEqual(
      expect.arrayContaining([
        'GuestsListed',
        'ImageAssigned',
        'GuestLabelAssigned',
        'HostFactsRead virsh-version',
        'HostFactsRead capabilities.xml',
      ]),
    );
    const listed = first.find(({ kind }) => kind === 'GuestsListed');
    expect(listed?.body).toEqual({
      complete: true,
      guests: [{ guest: { uuid: UUID, name: 'vm1' }, state: 'running', reason: 'booted' }],
    });
    expect(received).toMatchObject({ ups: 1, downs: [] });
    expect(source.watermark_us()).toBe(clock.now_us());
    expect(await reading()).toEqual([]);
    source.refresh();
    expect(kinds(await reading())).toEqual(['GuestsListed']);
    source.restate();
    expect(kinds(await reading())).toEqual(kinds(first));
    virsh.answer('list', '');
    expect((await reading()).map(({ body }) => body)).toEqual([{ complete: true, guests: [] }]);
  }, 30_000);

  it('says why libvirt does not answer, reads the rest, and recovers', async () => {
    const virsh = new StandInVirsh();
    const { said, reading, received } = setUp(
      [holding('machine-id', Buffer.from(`${'a'.repeat(32)}\n`))],
      virsh,
    );
    await said();
    expect(kinds(await reading())).toEqual(['HostFactsRead machine-id', 'HostFactsRead kernel-release']);
    expect(received.downs).toEqual([expect.stringContaining('list')]);
    virsh
      .answer('list', '')
      .answer('version', 'Using library: libvirt 11.3.0\n')
      .answer('capabilities', readFileSync(join(CAPTURE, 'capabilities.xml')));
    expect(kinds(await reading())).toContain('GuestsListed');
    expect(received.ups).toBe(1);
  }, 30_000);
});

describe('hostReadings', () => {
  const noProgram: RunProgram = async (path) => ({
    ...{ exit: null, said: '', stdout: Buffer.alloc(0) },
    failure: `${path}: no such program`,
  });

  function reading(files: Record<string, string>, name: string, run = noProgram) {
    const root = temporaryDirectory();
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    const readings = hostReadings({ auditctl: '/usr/sbin/auditctl', root, run });
    return readings.find((each) => each.name === name)?.read();
  }

  it('reads the mounts that process 1 sees', async () => {
    expect(String(await reading({ '/proc/1/mountinfo': 'x\n' }, 'mountinfo'))).toBe('x\n');
  });

  it.each([
    [{}, 'Disabled\n'],
    [{ '/sys/fs/selinux/enforce': '1' }, 'Enforcing\n'],
    [{ '/sys/fs/selinux/enforce': '0' }, 'Permissive\n'],
  ])('tells the mode of SELinux from %j', async (files, mode) => {
    expect(String(await reading(files, 'getenforce'))).toBe(mode);
  });

  it('tells the switches of SELinux that are about guests', async () => {
    const directory = '/sys/fs/selinux/booleans';
    const files = {
      [`${directory}/virt_use_nfs`]: '1 1',
      [`${directory}/virt_use_fusefs`]: '0 1',
      [`${directory}/ftp`]: '1 1',
    };
    expect(String(await reading(files, 'getsebool-a'))).toBe(
      'virt_use_fusefs --> off\nvirt_use_nfs --> on\n',
    );
    expect(await reading({}, 'getsebool-a')).toBeNull();
  });

  it('tells what it does not have from what it may not read', async () => {
    expect(await reading({}, 'exports')).toBeNull();
    expect(await reading({ '/etc/exports/x': '' }, 'exports')).toMatch(/exports is not a regular file$/);
    expect(await reading({}, 'auditctl-l')).toBe('/usr/sbin/auditctl: /usr/sbin/auditctl: no such program');
  });

  it('looks up the accounts that qemu.conf names, as names and never as options', async () => {
    const calls: (readonly string[])[] = [];
    const run: RunProgram = async (_path, args) => {
      calls.push(args);
      return {
        exit: 2,
        said: '',
        failure: 'ended with exit code 2',
        stdout: Buffer.from('nova:x:42:42::/:\n'),
      };
    };
    const conf = 'user = "nova"\ngroup = "--service=evil"\n';
    expect(String(await reading({ '/etc/libvirt/qemu.conf': conf }, 'getent-passwd', run))).toBe(
      'nova:x:42:42::/:\n',
    );
    await reading({ '/etc/libvirt/qemu.conf': conf }, 'getent-group', run);
    expect(calls[0]).toEqual(['passwd', 'root', 'qemu', 'libvirt-qemu', 'nova']);
    expect(calls[1]).toEqual(['group', 'root', 'qemu', 'kvm', 'libvirt-qemu', 'libvirt']);
  });
});
