import { constants } from 'node:fs';
import { access, open, readdir, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NO_SUCH_FILE, readSmallFile } from '../../config/bounded-file.js';
import type { Configuration } from '../../config/schema.js';
import { byteTextFrom } from '../../domain/byte-text.js';
import { MigrationAuditError } from '../../domain/errors.js';
import { type AuditRule, parseAuditRule } from '../host/audit-rules.js';
import { readAuditRules, readAuditStatus } from '../host/auditctl.js';
import { clockState } from '../host/clock-state.js';
import { readDomainXml } from '../host/domain-xml.js';
import { readVirshVersion } from '../host/identity.js';
import { parseLibvirtConf } from '../host/libvirt-conf.js';
import { readMountinfo } from '../host/mountinfo.js';
import { Snapshot } from '../host/snapshot.js';
import { readGuests } from '../libvirt/guests.js';
import { Virsh } from '../libvirt/virsh.js';
import { HOST_CLOCK } from '../process/clock.js';
import { type RunProgram, runProgram } from '../process/run-program.js';
import type { Condition, Known } from './condition.js';

export interface GatherOptions {
  configuration: Configuration;
  warnings: readonly string[];
  signal?: AbortSignal;
  /** stands before the paths of files; `''` on a real host */
  root?: string;
  run?: RunProgram;
}

const LIMITS = { timeout_ms: 10_000, output_bytes_max: 1024 * 1024 };
const LIBVIRT_TIMEOUT_MS = 60_000;
const FILE_BYTES = 1024 * 1024;
const MOUNTS_BYTES = 8 * 1024 * 1024;
const LOG_END_BYTES = 64 * 1024;
const DIRECTORIES_MAX = 20;
const DEFAULT_IMAGES = '/var/lib/libvirt/images';

/** Looks at this host. Changes nothing, and never fails: what cannot be looked at is part of the result. */
export async function gather(options: GatherOptions): Promise<Condition> {
  const { configuration, warnings, root = '', run = runProgram, signal } = options;
  const { audit, kernel_losses, libvirt } = configuration.collect;
  const ask = (path: string, args: readonly string[]) => run(path, args, { ...LIMITS, signal });
  const daemons = await daemonsOf(root);
  return {
    configuration,
    warnings,
    node: process.versions.node,
    audit: {
      log: audit.path === '-' ? null : await endOfLog(join(root, audit.path)),
      settings: await auditdSettings(join(root, '/etc/audit/auditd.conf')),
      status: await fromAuditctl(
        kernel_losses.auditctl,
        '-s',
        ask,
        (bytes) => readAuditStatus(bytes).facts.audit,
      ),
      rules: await fromAuditctl(kernel_losses.auditctl, '-l', ask, rulesIn),
    },
    daemons,
    mounts: await mountsOf(join(root, '/proc/1/mountinfo')),
    libvirt: libvirt.events ? await libvirtOf(options, daemons, ask) : null,
    selinux: {
      mode: await selinuxMode(join(root, '/sys/fs/selinux/enforce')),
      modules: await selinuxModules(ask),
    },
    data: await dataDirectory(join(root, configuration.data_directory)),
    clock: await clockState(signal, run),
  };
}

type Ask = (path: string, args: readonly string[]) => ReturnType<RunProgram>;

async function endOfLog(path: string): Promise<Known<string[]>> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { size } = await file.stat();
      const from = Math.max(0, size - LOG_END_BYTES);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(LOG_END_BYTES), 0, LOG_END_BYTES, from);
      const lines = byteTextFrom(buffer.subarray(0, bytesRead)).split('\n');
      // what does not begin or end in here is no whole line
      return { value: lines.slice(from > 0 ? 1 : 0, -1) };
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EACCES'
          ? 'may not be read by this user'
          : message;
    return { unknown: `${path}: ${why}` };
  }
}

/** auditd.conf(5): `key = value` a line. */
async function auditdSettings(path: string): Promise<Known<Map<string, string>>> {
  const file = await readSmallFile(path, FILE_BYTES);
  if (typeof file === 'string') return { unknown: `${path} ${file}` };
  const settings = new Map<string, string>();
  for (const line of byteTextFrom(file.bytes).split('\n')) {
    const match = /^\s*([A-Za-z_]+)\s*=\s*(\S+)/.exec(line);
    if (match !== null) settings.set((match[1] as string).toLowerCase(), match[2] as string);
  }
  return { value: settings };
}

async function fromAuditctl<T>(
  auditctl: string | null,
  option: string,
  ask: Ask,
  read: (bytes: Buffer) => T | null | undefined,
): Promise<Known<T>> {
  if (auditctl === null) return { unknown: 'not asked: collect.kernel_losses.auditctl is null' };
  const ran = await ask(auditctl, [option]);
  const value = ran.failure === null ? read(ran.stdout) : null;
  if (value !== null && value !== undefined) return { value };
  return { unknown: `auditctl ${option}: ${ran.failure ?? 'prints nothing that is known'}` };
}

function rulesIn(bytes: Buffer): AuditRule[] | null {
  const rules = readAuditRules(bytes).facts.audit_rules;
  return rules?.flatMap((line) => parseAuditRule(line) ?? []) ?? null;
}

const DAEMONS = new Set(['auditd', 'libvirtd', 'virtqemud']);

/** From /proc/PID/stat (proc(5)): the name in parentheses, and 20 fields later the start. */
async function daemonsOf(root: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const pids = await readdir(join(root, '/proc')).catch(() => [] as string[]);
  for (const pid of pids.filter((name) => /^\d+$/.test(name))) {
    const stat = await readSmallFile(join(root, '/proc', pid, 'stat'), FILE_BYTES);
    if (typeof stat === 'string') continue;
    const text = stat.bytes.toString('latin1');
    const name = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'));
    const started = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
    if (DAEMONS.has(name) && Number.isFinite(started))
      found.set(name, Math.min(started, found.get(name) ?? started));
  }
  return found;
}

async function mountsOf(path: string): Promise<Condition['mounts']> {
  const file = await readSmallFile(path, MOUNTS_BYTES);
  if (typeof file === 'string') return { unknown: `${path} ${file}` };
  return { value: readMountinfo(file.bytes).facts.mounts ?? [] };
}

async function libvirtOf(
  { configuration, signal, root = '', run = runProgram }: GatherOptions,
  daemons: ReadonlyMap<string, number>,
  ask: Ask,
): Promise<Condition['libvirt']> {
  const { virsh: program, uri } = configuration.collect.libvirt;
  const virsh = new Virsh({ program, uri, timeout_ms: LIBVIRT_TIMEOUT_MS, run });
  const answer = await virsh.ask(['version --daemon'], signal);
  const writing = await ask(program, ['-c', uri, 'uri']);
  const conf = daemons.has('virtqemud') ? 'virtqemud.conf' : 'libvirtd.conf';
  return {
    version: typeof answer === 'string' ? { unknown: answer } : { value: versionIn(answer[0]) },
    monitor: writing.failure === null ? { value: true } : { unknown: writing.failure },
    auditLevel: await auditLevel(join(root, '/etc/libvirt', conf)),
    imageDirectories: await imageDirectories(virsh, signal),
  };
}

function versionIn(bytes: Buffer = Buffer.alloc(0)): string {
  return `libvirt ${readVirshVersion(bytes).facts.libvirt_version ?? 'of unknown version'}`;
}

async function auditLevel(path: string): Promise<Known<number | null>> {
  const file = await readSmallFile(path, FILE_BYTES);
  if (file === NO_SUCH_FILE) return { value: null };
  if (typeof file === 'string') return { unknown: `${path} ${file}` };
  const level = parseLibvirtConf(byteTextFrom(file.bytes)).entries.get('audit_level');
  return { value: typeof level === 'number' ? level : null };
}

/** Where guests' images are, as far as libvirt tells; and where it puts them when nobody says otherwise. */
async function imageDirectories(virsh: Virsh, signal: AbortSignal | undefined): Promise<string[]> {
  const now = await readGuests(virsh, HOST_CLOCK, signal);
  const directories = new Set([DEFAULT_IMAGES]);
  for (const { uuid, xml } of typeof now === 'string' ? [] : now.guests)
    for (const path of imagePaths(xml, uuid)) directories.add(dirname(path));
  return [...directories].sort().slice(0, DIRECTORIES_MAX);
}

function imagePaths(xml: Buffer, uuid: string): string[] {
  try {
    const origin = { cluster: '', host: '', boot: null, file: `domain-${uuid}.xml` };
    return readDomainXml(new Snapshot(xml, origin, 0)).flatMap((event) =>
      event.kind === 'ImageAssigned'
        ? event.body.images.flatMap(({ path, source }) => (source === 'file' && path !== null ? [path] : []))
        : [],
    );
  } catch (error) {
    if (error instanceof MigrationAuditError) return [];
    throw error;
  }
}

async function selinuxMode(path: string): Promise<Condition['selinux']['mode']> {
  const file = await readSmallFile(path, 64);
  if (file === NO_SUCH_FILE) return { value: 'disabled' };
  if (typeof file === 'string') return { unknown: `${path} ${file}` };
  return { value: file.bytes[0] === 0x31 ? 'enforcing' : 'permissive' };
}

async function selinuxModules(ask: Ask): Promise<Known<string[]>> {
  const ran = await ask('/usr/sbin/semodule', ['-l']);
  if (ran.failure !== null) return { unknown: `semodule -l: ${ran.failure}` };
  // older versions print the module's own version behind its name
  return {
    value: ran.stdout
      .toString('latin1')
      .split('\n')
      .map((line) => line.split(/\s/, 1)[0] as string),
  };
}

async function dataDirectory(path: string): Promise<Condition['data']> {
  try {
    await access(path, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(path);
    return { value: { free_bytes: bavail * bsize } };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT'
        ? 'there is no such directory'
        : code === 'EACCES'
          ? 'may not be written by this user'
          : message;
    return { unknown: `${path}: ${why}` };
  }
}
