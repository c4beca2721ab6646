import { readdir } from 'node:fs/promises';
import { hostname, release } from 'node:os';
import { join } from 'node:path';
import { NO_SUCH_FILE, readSmallFile } from '../../config/bounded-file.js';
import { type RunProgram, runProgram } from '../process/run-program.js';
import { readQemuConf } from './qemu-conf.js';

/** Something a collector reads of its host, in the form that a capture has it in. */
export interface Reading {
  /** the file's name in a capture, which decides how it is parsed */
  name: string;
  /** null: this host does not have it; text: why it cannot be read */
  read(): Promise<Buffer | null | string>;
}

export interface ReadingsOptions {
  /** path of auditctl; null leaves the audit rules out */
  auditctl: string | null;
  /** stands before every path of a file; `''` on a real host */
  root?: string;
  run?: RunProgram;
}

const SMALL_FILE_BYTES = 256 * 1024;
/** A host of many containers has thousands of mounts. */
const MOUNTS_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 10_000;
const GETENT_OK = new Set([0, 2]);

/** Users and groups that libvirt runs QEMU as, wherever its packages come from. */
const USERS = ['root', 'qemu', 'libvirt-qemu'];
const GROUPS = ['root', 'qemu', 'kvm', 'libvirt-qemu', 'libvirt'];

/** What is read without libvirt. */
export function hostReadings({ auditctl, root = '', run = runProgram }: ReadingsOptions): Reading[] {
  const limits = { timeout_ms: TIMEOUT_MS, output_bytes_max: SMALL_FILE_BYTES };
  const file = (path: string, bytes_max = SMALL_FILE_BYTES) => readFileOf(join(root, path), bytes_max);
  const getent = async (database: string, names: readonly string[]) => {
    const ran = await run('/usr/bin/getent', [database, ...names], limits);
    // 2: some of the names are not there
    return ran.exit !== null && GETENT_OK.has(ran.exit) ? ran.stdout : `getent: ${ran.failure}`;
  };
  const own = async () => ownNames(await file('/etc/libvirt/qemu.conf'));
  const readings: Reading[] = [
    { name: 'hostname', read: async () => Buffer.from(`${hostname()}\n`) },
    { name: 'kernel-release', read: async () => Buffer.from(`${release()}\n`) },
    { name: 'machine-id', read: () => file('/etc/machine-id') },
    // A service can have a mount namespace of its own; process 1 has the host's.
    { name: 'mountinfo', read: () => file('/proc/1/mountinfo', MOUNTS_BYTES) },
    { name: 'exports', read: () => file('/etc/exports') },
    { name: 'qemu.conf', read: () => file('/etc/libvirt/qemu.conf') },
    { name: 'getent-passwd', read: async () => getent('passwd', [...USERS, ...(await own()).users]) },
    { name: 'getent-group', read: async () => getent('group', [...GROUPS, ...(await own()).groups]) },
    { name: 'getenforce', read: async () => selinuxMode(await file('/sys/fs/selinux/enforce')) },
    { name: 'getsebool-a', read: () => selinuxBooleans(join(root, '/sys/fs/selinux/booleans')) },
  ];
  if (auditctl !== null) {
    const read = async () => {
      const ran = await run(auditctl, ['-l'], limits);
      return ran.failure === null ? ran.stdout : `${auditctl}: ${ran.failure}`;
    };
    readings.push({ name: 'auditctl-l', read });
  }
  return readings;
}

async function readFileOf(path: string, bytes_max: number): Promise<Buffer | null | string> {
  const found = await readSmallFile(path, bytes_max);
  if (typeof found !== 'string') return found.bytes;
  return found === NO_SUCH_FILE ? null : `${path} ${found}`;
}

/** The user and group that qemu.conf names; numbers need no looking up. */
function ownNames(qemuConf: Buffer | null | string): { users: string[]; groups: string[] } {
  const conf = Buffer.isBuffer(qemuConf) ? readQemuConf(qemuConf).facts.qemu_conf : null;
  const named = (name: string | null | undefined) => (name && ACCOUNT.test(name) ? [name] : []);
  return { users: named(conf?.user), groups: named(conf?.group) };
}

/** Never what getent could take for an option. */
const ACCOUNT = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;

/** As getenforce prints it. */
function selinuxMode(enforce: Buffer | null | string): Buffer | string {
  if (typeof enforce === 'string') return enforce;
  if (enforce === null) return Buffer.from('Disabled\n');
  return Buffer.from(enforce.toString('latin1').trim() === '1' ? 'Enforcing\n' : 'Permissive\n');
}

/** Those that are about guests, as getsebool prints them. */
async function selinuxBooleans(directory: string): Promise<Buffer | null> {
  const names = await readdir(directory).catch(() => [] as string[]);
  const lines: string[] = [];
  for (const name of names.filter((each) => each.startsWith('virt_')).sort()) {
    const value = await readFileOf(join(directory, name), 64);
    // `current pending`
    if (Buffer.isBuffer(value)) lines.push(`${name} --> ${value[0] === 0x31 ? 'on' : 'off'}\n`);
  }
  return lines.length === 0 ? null : Buffer.from(lines.join(''));
}
