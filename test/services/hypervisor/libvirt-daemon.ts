import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Enclosure, ended } from './enclosure.js';
import { until } from './until.js';

const REAPER = fileURLToPath(new URL('reaper.py', import.meta.url));

/** A guest that is defined anew to make an event, and never started. */
export const PROBE_GUEST = { name: 'probe', uuid: '7e570000-0000-4000-8000-00000000beef' };
const PROBE = '/run/libvirt/probe.xml';
const PROBE_XML = `<domain type='qemu'><name>${PROBE_GUEST.name}</name><uuid>${PROBE_GUEST.uuid}</uuid>
<memory unit='MiB'>32</memory><os><type arch='x86_64' machine='pc'>hvm</type></os></domain>`;

type Daemon = 'libvirtd' | 'virtlogd';

/** libvirtd and virtlogd without systemd, and virsh on them. */
export class LibvirtDaemon {
  private readonly enclosure: Enclosure;
  /** of libvirtd; null when it does not run */
  private pid: number | null = null;
  /** the last virsh that was started to listen */
  private listener: ChildProcess | null = null;

  constructor(enclosure: Enclosure) {
    this.enclosure = enclosure;
    this.spawn('virtlogd');
  }

  async start(): Promise<void> {
    this.spawn('libvirtd');
    await until('libvirtd answers', () =>
      this.virsh('uri').then(
        () => true,
        () => false,
      ),
    );
    this.pid = Number(readFileSync(this.enclosure.path('/run/libvirt/libvirtd.pid'), 'latin1'));
  }

  /** Guests run on without it. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { pid } = this;
    if (pid === null) return;
    process.kill(pid, signal);
    await until('libvirtd has ended', () => !isAlive(pid));
    this.pid = null;
  }

  /** Adds what `virsh event` prints to the file, until libvirtd goes away. */
  async listen(file: string): Promise<void> {
    // what the last one still says is no sign of the next one's life
    if (this.listener !== null) await ended(this.listener);
    const log = openSync(this.enclosure.path(file), 'a');
    this.listener = this.enclosure.spawn('virsh', ['-r', 'event', '--loop', '--all', '--timestamp'], {
      stdio: ['ignore', log, 'ignore'],
    });
    closeSync(log);
    // It does not say when it has begun: let something happen until it tells.
    const size_bytes = () => statSync(this.enclosure.path(file)).size;
    const before_bytes = size_bytes();
    writeFileSync(this.enclosure.path(PROBE), PROBE_XML);
    await until('virsh hears of events', async () => {
      await this.virsh('define', PROBE);
      return size_bytes() > before_bytes;
    });
  }

  virsh(...args: string[]): Promise<string> {
    return this.enclosure.run('virsh', '--connect', 'qemu:///system', '--quiet', ...args);
  }

  /** In the foreground, libvirt's daemons log to their standard error. */
  private spawn(name: Daemon): void {
    const log = openSync(this.enclosure.path(`/var/log/libvirt/${name}.log`), 'a');
    this.enclosure.spawn('python3', [REAPER, name, '--pid-file', `/run/libvirt/${name}.pid`], {
      stdio: ['ignore', 'ignore', log],
    });
    closeSync(log);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
