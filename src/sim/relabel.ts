import type { Cause } from '../domain/verdict.js';
import type { PathQuality, RelabelCall, RelabelObserved } from '../events/event.js';
import type { CausalWindow, ImageUse, RelabelEntry } from './ledger.js';
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
  const isXattr = asked.context !== null;
  const logsAvc = isXattr && errno === 0 && host.plan.logs_relabel_avc;
  const attribute = {
    attribute: 'security.selinux',
    attribute_confidence: logsAvc ? 'certain' : 'likely',
  } as const;
  recordCall(stage, host, {
    call,
    file,
    actor,
    named: act.named ?? { name: pathOn(host, file), quality: 'absolute' },
    args: argumentsOf(act),
    errno,
    key: isXattr ? 'label-xattr' : 'label-dac',
    seen,
    avcs: logsAvc ? relabelAvcs(host, act, seen.context ?? '') : [],
    logged: { ...asked, context: logsAvc ? asked.context : null },
    ...(isXattr ? attribute : NO_ATTRIBUTE),
    value_size: asked.context === null ? null : asked.context.length + 1,
    truth: {
      window: act.window ?? null,
      effective,
      asked,
      asked_logged: !isXattr || logsAvc,
      mounts_read: host.plan.facts_at !== 'never',
      cause: act.cause,
    },
  });
}

const NO_ATTRIBUTE = { attribute: null, attribute_confidence: null };
const NOTHING_ASKED: LabelRequest = { uid: null, gid: null, context: null };

/** An attribute that is no label: libvirt's own memory, or somebody's user.* attribute. */
export function setOtherAttribute(
  stage: Stage,
  host: SimHost,
  file: SimFile,
  actor: Actor,
  call: 'setxattr' | 'removexattr',
  value_size: number | null,
): void {
  recordCall(stage, host, {
    call,
    file,
    actor,
    named: { name: pathOn(host, file), quality: 'absolute' },
    args: ['7f1058037a40', '55b28131dbf0', '7f105803a8c0', (value_size ?? 0).toString(16)],
    errno: 0,
    key: 'label-xattr',
    seen: shownTo(host, labelOn(host, file)),
    avcs: [],
    logged: NOTHING_ASKED,
    ...otherAttribute(actor, call),
    value_size,
    truth: {
      window: null,
      effective: false,
      asked: NOTHING_ASKED,
      asked_logged: true,
      mounts_read: true,
      cause: null,
    },
  });
}

/** A call that was made: what its record shows of it, and what was true of it. */
interface MadeCall extends Pick<RelabelObserved, 'attribute' | 'attribute_confidence' | 'value_size'> {
  call: SimulatedCall;
  file: SimFile;
  actor: Actor;
  named: { name: string; quality: PathQuality };
  args: [string, string, string, string];
  /** 0 when it succeeded */
  errno: number;
  /** of the audit rule that caught it */
  key: string;
  /** the label before, as this host showed it */
  seen: FileLabel;
  /** AVC records, which come before the others */
  avcs: [string, string][];
  /** what was asked for, as far as the records state it */
  logged: LabelRequest;
  truth: Pick<RelabelEntry, 'window' | 'effective' | 'asked' | 'asked_logged' | 'mounts_read' | 'cause'>;
}

/** Writes the call's record and, where that was not lost, remembers the truth about it. */
function recordCall(stage: Stage, host: SimHost, made: MadeCall): void {
  const { call, file, actor, named, errno, key, seen, logged } = made;
  const moment = actOn(stage, host);
  const outcome = { success: errno === 0, exit: errno === 0 ? 0 : -errno };
  const dev = deviceOn(host, file);
  const records = syscallRecords({
    number: X86_64_NUMBERS[call],
    args: made.args,
    ...outcome,
    ...actor,
    commandLine: actor.command_line,
    key,
    path: { ...seen, name: named.name, inode: file.inode, dev },
  });
  const event = stage.log.audit(host, [...made.avcs, ...records], 'RelabelObserved', (serial) => ({
    ...commonFields(actor),
    serial,
    call,
    ...outcome,
    asked_uid: logged.uid,
    asked_gid: logged.gid,
    asked_context: logged.context,
    path: named.name,
    path_quality: named.quality,
    dev,
    inode: file.inode,
    before_uid: seen.uid,
    before_gid: seen.gid,
    before_mode: seen.mode,
    before_context: seen.context,
    attribute: made.attribute,
    attribute_confidence: made.attribute_confidence,
    value_size: made.value_size,
    key,
  }));
  if (event === null) return;
  stage.ledger.relabel({
    id: event.id,
    serial: (event.body as RelabelObserved).serial,
    moment,
    path: pathOn(host, file),
    file: `${file.storage.name}/${file.name}`,
    shared: isShared(file.storage),
    uses: usesOf(stage, file),
    ...made.truth,
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
