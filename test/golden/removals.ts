import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Parts of a capture taken away, as they go missing in the field. */
export const REMOVALS: Record<string, (directory: string, truth: { from: string | null; to: string | null }) => void> = {
  'audit logs only': (directory) => keepFiles(directory, (name) => /^(audit|t0|t1|mountinfo|exports|hostname)/.test(name)),
  'no audit logs': (directory) => removeFiles(directory, (name) => /^audit\.log|^audit-plugin/.test(name)),
  'no virsh events': (directory) => removeFiles(directory, (name) => name.startsWith('virsh-event.')),
  'no monitor events': (directory) => removeFiles(directory, (name) => name.startsWith('qemu-monitor-event')),
  'no libvirt events': (directory) =>
    removeFiles(directory, (name) => /^(virsh-event|qemu-monitor-event)/.test(name)),
  'no daemon or guest logs': (directory) => removeFiles(directory, (name) => /^libvirtd.*\.log|^qemu-.*\.log/.test(name)),
  'no domstate': (directory) => removeFiles(directory, (name) => name.startsWith('domstate-')),
  'no domain XML': (directory) => removeFiles(directory, (name) => /^domain-.*\.xml$/.test(name)),
  'no mountinfo': (directory) => removeFiles(directory, (name) => name === 'mountinfo'),
  'no qemu.conf': (directory) => removeFiles(directory, (name) => name === 'qemu.conf'),
  'no capabilities, no qemu.conf, no ids': (directory) =>
    removeFiles(directory, (name) => name === 'qemu.conf' || name === 'capabilities.xml' || name.startsWith('id-')),
  'no snapshots at all': (directory) =>
    removeFiles(directory, (name) => !/\.log|^t0$|^t1$/.test(name)),
  'only the source': (directory, { from }) => keepHosts(directory, from),
  'only the destination': (directory, { to }) => keepHosts(directory, to),
  'no file server': (directory) => removeHost(directory, 'nfs1'),
  'first half missing': (directory) => cutStreams(directory, 0, 0.5),
  'last third missing': (directory) => cutStreams(directory, 2 / 3, 1),
  'one collector restarted': (directory, { to }) => interruptEvents(directory, to),
  'middle third of every audit log missing': (directory) => cutStreams(directory, 1 / 3, 2 / 3, /^audit/),
  'middle third of every virsh log missing': (directory) => cutStreams(directory, 1 / 3, 2 / 3, /^virsh-event/),
  'middle third of every monitor log missing': (directory) => cutStreams(directory, 1 / 3, 2 / 3, /^qemu-monitor-event/),
};

/** A copy of the capture with the parts taken away; the caller removes it. */
export function captureWithout(
  capture: string,
  removal: keyof typeof REMOVALS,
  truth: { from: string | null; to: string | null },
): string {
  const directory = mkdtempSync(join(tmpdir(), 'migration-audit-removal-'));
  cpSync(capture, directory, { recursive: true });
  rmSync(join(directory, 'truth.json'), { force: true });
  REMOVALS[removal]?.(directory, truth);
  return directory;
}

function hostsOf(directory: string): string[] {
  return readdirSync(directory).filter((name) => statSync(join(directory, name)).isDirectory());
}

function removeFiles(directory: string, isRemoved: (name: string) => boolean): void {
  for (const host of hostsOf(directory)) {
    for (const name of readdirSync(join(directory, host))) {
      if (isRemoved(name)) rmSync(join(directory, host, name));
    }
  }
}

function keepFiles(directory: string, isKept: (name: string) => boolean): void {
  removeFiles(directory, (name) => !isKept(name));
}

function removeHost(directory: string, host: string): void {
  rmSync(join(directory, host), { recursive: true, force: true });
}

function keepHosts(directory: string, kept: string | null): void {
  for (const host of hostsOf(directory)) if (host !== kept) removeHost(directory, host);
}

/** virsh lost its daemon in the middle and was started again: it says so, and what it missed is gone. */
function interruptEvents(directory: string, host: string | null): void {
  for (const name of ['virsh-event.log', 'qemu-monitor-event.log']) {
    const path = join(directory, host ?? '', name);
    if (host === null || !existsSync(path)) continue;
    const lines = readFileSync(path, 'latin1').split('\n');
    const [from, to] = [Math.floor(lines.length / 3), Math.floor((2 * lines.length) / 3)];
    const interrupted = [...lines.slice(0, from), `events received: ${from}`, '', ...lines.slice(to)];
    writeFileSync(path, interrupted.join('\n'), 'latin1');
  }
}

/** Removes the lines between two fractions of each stream, as a rotation or a crashed collector does: unmarked. */
function cutStreams(directory: string, from: number, to: number, which = /^(audit|virsh-event|qemu-monitor-event|libvirtd|qemu-)/): void {
  for (const host of hostsOf(directory)) {
    for (const name of readdirSync(join(directory, host))) {
      if (!which.test(name) || !name.includes('.log')) continue;
      const path = join(directory, host, name);
      const lines = readFileSync(path, 'latin1').split('\n');
      const kept = lines.filter((_, i) => i < lines.length * from || i >= lines.length * to);
      writeFileSync(path, kept.join('\n'), 'latin1');
    }
  }
}
