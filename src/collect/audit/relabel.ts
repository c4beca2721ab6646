import type { RelabelObserved } from '../../events/event.js';
import type { AssembledEvent } from './assembled-event.js';
import { type AvcRecord, isRelabelCheck } from './avc-record.js';
import { PathRecord, readCwd } from './path-record.js';
import { type NamedPath, namedPath } from './paths.js';
import { RecordType } from './record-type.js';
import { SyscallRecord } from './syscall-record.js';
import type { CallShape } from './syscall-table.js';
import type { TextCache } from './text-cache.js';
import { xattrEvidence } from './xattr-evidence.js';

const AT_FDCWD = 0xffffff9c;
const UNCHANGED = 0xffffffff;
const UNCHANGED_16_BIT = 0xffff;
const MODE_BITS = 0o7777;
const ENODATA = -61;
const CGROUPS = '/sys/fs/cgroup/';
const NO_PATH: NamedPath = { path: null, quality: 'none' };

/**
 * Makes the relabel out of an event's records. PATH states the file before the call; the new owner and mode stand in
 * the arguments alone, the new context in the relabelto AVC alone.
 */
export class RelabelInterpreter {
  readonly #texts: TextCache;
  readonly #call: SyscallRecord;
  readonly #file: PathRecord;
  /** PATH records of the event that could not be read */
  #garbledPaths = 0;

  constructor(texts: TextCache) {
    this.#texts = texts;
    this.#call = new SyscallRecord(texts);
    this.#file = new PathRecord(texts);
  }

  /**
   * @param avcs the event's AVC records
   * @param hasProctitles the stream has PROCTITLE records, so an event without one was cut
   * @returns null when the event relabels nothing that could matter
   */
  read(event: AssembledEvent, avcs: readonly AvcRecord[], hasProctitles: boolean): RelabelObserved | null {
    const call = this.#call;
    const head = headOf(event);
    if (head >= 0)
      call.read(event.bytes[head] as Buffer, event.bodies[head] as number, event.ends[head] as number);
    else call.clear();
    const { shape, caller } = call;
    const from = relabelCheck(avcs, 'relabelfrom');
    const to = relabelCheck(avcs, 'relabelto');
    const check = to ?? from;
    if (shape === undefined && check === null) return null;

    const file = this.#file;
    const hasFile = this.#readFile(event);
    if (shape?.xattr === 'remove' && call.exit === ENODATA && file.name?.startsWith(CGROUPS)) return null;
    const named = hasFile ? this.#namedPath(event, shape) : pathOfCheck(check);
    const size = shape === undefined ? null : valueSize(call, shape);
    const evidence =
      shape?.xattr === null
        ? null
        : xattrEvidence(shape?.xattr ?? 'set', check !== null, size, caller.program);
    return {
      serial: event.serial,
      node: event.node,
      arch: call.arch === undefined ? null : call.arch.name,
      call: shape !== undefined ? shape.call : event.hasOnly(RecordType.AVC) ? 'avc-only' : 'unknown',
      success: head >= 0 ? call.success : isRefused(check) ? false : null,
      exit: call.exit,
      asked_uid: shape === undefined ? null : askedId(call, shape, shape.uidArgument),
      asked_gid: shape === undefined ? null : askedId(call, shape, shape.gidArgument),
      asked_mode: shape === undefined ? null : askedMode(call, shape),
      asked_context: to === null ? null : to.tcontext,
      path: named.path,
      path_quality: named.quality,
      dev: file.dev ?? check?.dev ?? null,
      inode: file.inode ?? check?.inode ?? null,
      before_uid: stated(file.ouid),
      before_gid: stated(file.ogid),
      before_mode: stated(file.mode),
      before_context: from === null ? file.context : from.tcontext,
      attribute: evidence === null ? null : evidence.attribute,
      attribute_confidence: evidence === null ? null : evidence.confidence,
      value_size: size,
      pid: call.pid ?? check?.pid ?? null,
      ppid: call.ppid,
      uid: call.uid,
      auid: call.auid,
      exe: caller.exe,
      comm: caller.comm ?? check?.comm ?? null,
      subject: caller.subject ?? check?.scontext ?? null,
      key: caller.key,
      missing_records: this.#missingRecords(event, head, hasProctitles),
    };
  }

  /**
   * Reads the record of the file itself: the first NORMAL one (overlayfs adds its copies after it), else the first
   * that was looked up in vain.
   */
  #readFile(event: AssembledEvent): boolean {
    this.#garbledPaths = 0;
    let notFound = -1;
    for (let i = event.find(RecordType.PATH); i >= 0; i = event.find(RecordType.PATH, i + 1)) {
      if (!this.#readPathAt(event, i)) this.#garbledPaths++;
      else if (this.#file.nametype === 'NORMAL') return true;
      else if (this.#file.nametype === 'UNKNOWN' && notFound < 0) notFound = i;
    }
    if (notFound >= 0) return this.#readPathAt(event, notFound);
    this.#file.clear();
    return false;
  }

  #readPathAt(event: AssembledEvent, index: number): boolean {
    return this.#file.read(
      event.bytes[index] as Buffer,
      event.bodies[index] as number,
      event.ends[index] as number,
    );
  }

  #namedPath(event: AssembledEvent, shape: CallShape | undefined): NamedPath {
    const { name } = this.#file;
    if (name?.startsWith('/')) return namedPath(name, null, false);
    const fromCwd = shape !== undefined && (!shape.hasDirectory || this.#call.argument(0) === AT_FDCWD);
    const cwd = event.find(RecordType.CWD);
    if (cwd < 0) return namedPath(name, null, fromCwd);
    return namedPath(
      name,
      readCwd(
        event.bytes[cwd] as Buffer,
        event.bodies[cwd] as number,
        event.ends[cwd] as number,
        this.#texts,
      ),
      fromCwd,
    );
  }

  #missingRecords(event: AssembledEvent, head: number, hasProctitles: boolean): string[] {
    const missing: string[] = [];
    if (head < 0) {
      if (!event.hasOnly(RecordType.AVC)) missing.push('SYSCALL');
      return missing;
    }
    if (this.#call.items > 0) {
      if (!event.has(RecordType.CWD)) missing.push('CWD');
      if (countOf(event, RecordType.PATH) - this.#garbledPaths < this.#call.items) missing.push('PATH');
    }
    if (hasProctitles && event.types[head] === RecordType.SYSCALL && !event.has(RecordType.PROCTITLE))
      missing.push('PROCTITLE');
    return missing;
  }
}

/** io_uring runs operations inside other calls: its own record says which. */
function headOf(event: AssembledEvent): number {
  if (event.types[0] === RecordType.SYSCALL && event.types[1] !== RecordType.URINGOP) return 0;
  const operation = event.find(RecordType.URINGOP);
  return operation >= 0 ? operation : event.find(RecordType.SYSCALL);
}

function relabelCheck(avcs: readonly AvcRecord[], permission: string): AvcRecord | null {
  for (const avc of avcs) if (avc.permissions === permission && isRelabelCheck(avc)) return avc;
  return null;
}

function countOf(event: AssembledEvent, type: RecordType): number {
  let count = 0;
  for (let i = 0; i < event.count; i++) if (event.types[i] === type) count++;
  return count;
}

function isRefused(check: AvcRecord | null): boolean {
  return check !== null && check.verdict === 'denied' && !check.permissive;
}

/** Some checks name the whole path as the process sees it. */
function pathOfCheck(check: AvcRecord | null): NamedPath {
  return check?.path?.startsWith('/') ? { path: check.path, quality: 'absolute' } : NO_PATH;
}

function askedId(call: SyscallRecord, shape: CallShape, argument: number): number | null {
  const value = call.argument(argument);
  if (value === null || value === UNCHANGED) return null;
  if (!shape.has16BitIds) return value;
  const narrow = value & UNCHANGED_16_BIT;
  return narrow === UNCHANGED_16_BIT ? null : narrow;
}

function askedMode(call: SyscallRecord, shape: CallShape): number | null {
  const value = call.argument(shape.modeArgument);
  return value === null ? null : value & MODE_BITS;
}

function valueSize(call: SyscallRecord, shape: CallShape): number | null {
  return call.isWide(shape.sizeArgument) ? null : call.argument(shape.sizeArgument);
}

function stated(value: number): number | null {
  return value < 0 ? null : value;
}
