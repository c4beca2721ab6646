import type { Cause } from '../domain/verdict.js';
import type { PathQuality, RelabelCall, RelabelObserved } from '../events/event.js';
import type { CausalWindow, ImageUse } from './ledger.js';
import { DAEMON, subjectOf } from './records.js';
import { actOn, type Stage } from './stage.js';
import { syscallRecords, UNSET_ID } from './witness.js';
import {
  deviceOn,
  type FileLabel,
  isShared,
  type LabelRequest,
  labelOn,
  pathOn,
  type SimFile,
  type SimGuest,
  type SimHost,
  setLabel,
  viewOf,
} from './world.js';

/** One system call that changes, or tries to change, a label: its effect, its record and the truth about it. */

export interface Actor {
  pid: number;
  ppid: number;
  auid: number;
  comm: string;
  exe: string;
  command_line: string;
  subject: string;
  cwd: string;
}

/** A child of libvirtd: every transaction has its own, and its comm is the thread that forked it. */
export function daemonChild(host: SimHost, thread: string): Actor {
  return {
    pid: host.next_pid++,
    ppid: host.daemon_pid,
    auid: UNSET_ID,
    comm: thread.slice(0, 15),
    exe: DAEMON,
    command_line: `${DAEMON} --timeout 120`,
    subject: subjectOf(host),
    cwd: '/',
  };
}

const X86_64_NUMBERS = { chown: 92, fchownat: 260, setxattr: 188, fsetxattr: 190, removexattr: 197 } as const;
type SimulatedCall = keyof typeof X86_64_NUMBERS & RelabelCall;

export interface RelabelAct {
  call: SimulatedCall;
  file: SimFile;
  asked: LabelRequest;
  actor: Actor;
  /** cause of the violation that it may turn out to be */
  cause: Cause | null;
  window?: CausalWindow | null;
  /** how the call names the file; by its full path unless said otherwise */
  named?: { name: string; quality: PathQuality };
}

export function relabel(stage: Stage, host: SimHost, act: RelabelAct): void {
  const { call, file, asked, actor } = act;
  const seen = shownTo(host, viewOf(host, file, stage.scheduler.now_us));
  const { errno, effective } = setLabel(host, file, asked);
  const moment = actOn(stage, host);
  const isXattr = asked.context !== null;
  const logsAvc = isXattr && errno === 0 && host.plan.logs_relabel_avc;
  const named = act.named ?? { name: pathOn(host, file), quality: 'absolute' as const };
  const args = argumentsOf(act);
  const dev = deviceOn(host, file);
  const records = syscallRecords({
    number: X86_64_NUMBERS[call],
    args,
    success: errno === 0,
    exit: -errno,
    ...actor,
    commandLine: actor.command_line,
    key: isXattr ? 'label-xattr' : 'label-dac',
    path: { ...seen, name: named.name, inode: file.inode, dev },
  });
  if (logsAvc) records.unshift(...relabelAvcs(host, act, seen.context ?? ''));
  const event = stage.log.audit(host, records, 'RelabelObserved', (serial) => ({
    ...commonFields(actor),
    serial,
    call,
    success: errno === 0,
    exit: errno === 0 ? 0 : -errno,
    asked_uid: asked.uid,
    asked_gid: asked.gid,
    asked_context: logsAvc ? asked.context : null,
    path: named.name,
    path_quality: named.quality,
    dev,
    inode: file.inode,
    before_uid: seen.uid,
    before_gid: seen.gid,
    before_mode: seen.mode,
    before_context: seen.context,
    attribute: isXattr ? 'security.selinux' : null,
    attribute_confidence: isXattr ? (logsAvc ? 'certain' : 'likely') : null,
    value_size: asked.context === null ? null : asked.context.length + 1,
    key: isXattr ? 'label-xattr' : 'label-dac',
  }));
  if (event === null) return;
  stage.ledger.relabel({
    id: event.id,
    serial: (event.body as RelabelObserved).serial,
    moment,
    window: act.window ?? null,
    path: pathOn(host, file),
    file: `${file.storage.name}/${file.name}`,
    shared: isShared(file.storage),
    effective,
    asked,
    asked_logged: !isXattr || logsAvc,
    mounts_read: host.plan.facts_at !== 'never',
    uses: usesOf(stage, file),
    cause: act.cause,
  });
}

/** An attribute that is no label: libvirt's own memory, or somebody's user.* attribute. */
export function setOtherAttribute(
  stage: Stage,
  host: SimHost,
  file: SimFile,
  actor: Actor,
  call: 'setxattr' | 'removexattr',
  value_size: number | null,
): void {
  const seen = shownTo(host, labelOn(host, file));
  const path = pathOn(host, file);
  const dev = deviceOn(host, file);
  const size = (value_size ?? 0).toString(16);
  const records = syscallRecords({
    number: X86_64_NUMBERS[call],
    args: ['7f1058037a40', '55b28131dbf0', '7f105803a8c0', size],
    success: true,
    exit: 0,
    ...actor,
    commandLine: actor.command_line,
    key: 'label-xattr',
    path: { ...seen, name: path, inode: file.inode, dev },
  });
  const moment = actOn(stage, host);
  const event = stage.log.audit(host, records, 'RelabelObserved', (serial) => ({
    ...commonFields(actor),
    serial,
    call,
    success: true,
    exit: 0,
    asked_uid: null,
    asked_gid: null,
    asked_context: null,
    path,
    path_quality: 'absolute',
    dev,
    inode: file.inode,
    before_uid: seen.uid,
    before_gid: seen.gid,
    before_mode: seen.mode,
    before_context: seen.context,
    ...otherAttribute(actor, call),
    value_size,
    key: 'label-xattr',
  }));
  if (event === null) return;
  stage.ledger.relabel({
    id: event.id,
    serial: (event.body as RelabelObserved).serial,
    moment,
    window: null,
    path,
    file: `${file.storage.name}/${file.name}`,
    shared: isShared(file.storage),
    effective: false,
    asked: { uid: null, gid: null, context: null },
    asked_logged: true,
    mounts_read: true,
    uses: usesOf(stage, file),
    cause: null,
  });
}

/** As far as size and program tell. */
function otherAttribute(
  actor: Actor,
  call: 'setxattr' | 'removexattr',
): Pick<RelabelObserved, 'attribute' | 'attribute_confidence'> {
  if (actor.exe === DAEMON) return { attribute: 'trusted.libvirt', attribute_confidence: 'likely' };
  return { attribute: call === 'setxattr' ? 'other' : 'unknown', attribute_confidence: 'guess' };
}

/** Without SELinux no record has a context. */
function shownTo(host: SimHost, label: FileLabel): FileLabel {
  return host.plan.selinux === 'disabled' ? { ...label, context: null } : { ...label };
}

function commonFields(actor: Actor) {
  return {
    node: null,
    arch: 'x86_64',
    asked_mode: null,
    pid: actor.pid,
    ppid: actor.ppid,
    uid: 0,
    auid: actor.auid,
    exe: actor.exe,
    comm: actor.comm,
    subject: actor.subject,
    missing_records: [],
  };
}

function argumentsOf({ call, asked, named }: RelabelAct): [string, string, string, string] {
  const id = (value: number | null) => (value === null ? 'ffffffff' : value.toString(16));
  if (call === 'chown') return ['7fbbc81d6f60', id(asked.uid), id(asked.gid), '0'];
  if (call === 'fchownat') {
    const directory = named?.quality === 'relative-to-unknown-dirfd' ? '4' : 'ffffff9c';
    return [directory, '561ee6d86d50', id(asked.uid), id(asked.gid)];
  }
  return ['7f2bc8002640', '7f2becc558be', '7f2bc8147f00', ((asked.context ?? '').length + 1).toString(16)];
}

function relabelAvcs(host: SimHost, { file, asked, actor }: RelabelAct, before: string): [string, string][] {
  const line = (permission: string, context: string): [string, string] => [
    'AVC',
    `avc:  granted  { ${permission} } for  pid=${actor.pid} comm="${actor.comm}" name="${file.name}" dev="${deviceOn(host, file)}" ino=${file.inode} scontext=${actor.subject} tcontext=${context} tclass=file`,
  ];
  return [line('relabelfrom', before), line('relabelto', asked.context as string)];
}

/** Guests whose chains the file is part of now, and whether anything that was collected says so. */
function usesOf(stage: Stage, file: SimFile): { guest: string; use: ImageUse; listed: () => boolean }[] {
  return stage.world.guests.flatMap((guest) =>
    guest.disks
      .filter((disk) => disk.chain.includes(file))
      .slice(0, 1)
      .map((disk) => ({
        guest: guest.uuid,
        use: disk.shareable ? 'shareable' : disk.read_only || disk.chain[0] !== file ? 'backing' : 'private',
        listed: () => isListed(guest, file),
      })),
  );
}

function isListed(guest: SimGuest, file: SimFile): boolean {
  return guest.listed_files.has(file);
}
