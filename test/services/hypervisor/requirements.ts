import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that a hypervisor is made of, with the Debian package of each. */
const PROGRAMS = {
  auditd: 'auditd',
  auditctl: 'auditd',
  libvirtd: 'libvirt-daemon-system',
  virtlogd: 'libvirt-daemon-system',
  virsh: 'libvirt-clients',
  'qemu-system-x86_64': 'qemu-system-x86',
  python3: 'python3',
  unshare: 'util-linux',
  nsenter: 'util-linux',
} as const;

/** Held by keeper.sh as long as a hypervisor runs. */
const LOCK = '/run/migration-audit-test-hypervisor.lock';

const DIRECTORIES = [
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  ...(process.env['PATH'] ?? '').split(delimiter),
];

/** Why no hypervisor can be started on this machine and what would help, in one line; null when one can. */
export function whyNoHypervisor(): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'it needs Linux on x86-64';
  const missing = Object.entries(PROGRAMS).filter(([program]) => !isInstalled(program));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(([, name]) => name))].join(' ');
    const programs = missing.map(([program]) => program).join(', ');
    return `${programs} not found: apt-get install --no-install-recommends ${packages}`;
  }
  if (process.getuid?.() !== 0) return 'it needs root: libvirtd, auditd and chown do';
  if (!succeeds('unshare', '--mount', 'true')) return 'this machine allows no mount namespace';
  if (!succeeds('auditctl', '-s'))
    return 'the kernel refuses audit (containers have none: use a machine of its own)';
  // Where the lock is taken, another test's hypervisor has the audit, and gives it back.
  const { status, stdout } = spawnSync('flock', ['--nonblock', LOCK, 'auditctl', '-s'], { encoding: 'utf8' });
  if (status === 0 && !/^pid 0$/m.test(stdout)) return 'auditd runs on this machine, which is left alone';
  return null;
}

function isInstalled(program: string): boolean {
  return DIRECTORIES.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function succeeds(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}
