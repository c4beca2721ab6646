import { readFileSync } from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import { MigrationAuditError } from '../../domain/errors.js';
import { checked, nameKey, seal } from './layout.js';
import { passingRefusal, text } from './refusal.js';

export type Table = Database<Buffer, Buffer>;

export interface Environment {
  root: RootDatabase<Buffer, Buffer>;
  meta: Table;
  records: Table;
  /** id -> offset, state key -> offset, source -> checkpoint, group and topic -> position */
  index: Table;
}

const FORMAT = '1';
const FORMAT_KEY = nameKey('meta', 'format');
const HOLDER_KEY = nameKey('meta', 'holder');
/** room for indexes, pages and ids that outlive their records */
const MAP_OVERHEAD = 4;
const MAP_BYTES_MIN = 64 * 2 ** 20;

/** Directories this process holds: LMDB cannot tell two openings of one process apart. */
const held = new Set<string>();

/** @throws MA_LOG_FORMAT, MA_LOG_IN_USE, MA_LOG_DAMAGED */
export function openEnvironment(directory: string, bytes_max: number, readOnly: boolean): Environment {
  if (!readOnly && held.has(directory))
    throw new MigrationAuditError('MA_LOG_IN_USE', directory, 'this process has it open already');
  let root: RootDatabase<Buffer, Buffer>;
  const table = { encoding: 'binary', keyEncoding: 'binary' } as const;
  try {
    root = open<Buffer, Buffer>({
      path: directory,
      ...table,
      noSubdir: false,
      readOnly,
      // without it a commit returns only when it is on the disk
      overlappingSync: false,
      mapSize: Math.ceil(Math.max(MAP_BYTES_MIN, bytes_max * MAP_OVERHEAD) / 2 ** 20) * 2 ** 20,
    });
  } catch (cause) {
    throw notOpened(directory, cause, readOnly);
  }
  try {
    checkTables(root, directory);
    const meta: Table = root.openDB('meta', table);
    const records: Table = root.openDB('records', table);
    const index: Table = root.openDB('index', table);
    const environment = { root, meta, records, index };
    if (readOnly) checkFormat(meta, directory);
    else take(environment, directory);
    return environment;
  } catch (cause) {
    void root.close();
    throw notOpened(directory, cause, readOnly);
  }
}

export function notOpened(directory: string, cause: unknown, readOnly: boolean): MigrationAuditError {
  if (cause instanceof MigrationAuditError) return cause;
  const passing = readOnly ? null : passingRefusal(directory, cause);
  return passing ?? new MigrationAuditError('MA_LOG_FORMAT', directory, text(cause), { cause });
}

/** Tables that the file's first page counts and that are not found have been lost; opening them would make them anew. */
function checkTables(root: RootDatabase<Buffer, Buffer>, directory: string): void {
  const { entryCount } = root.getStats() as { entryCount: number };
  const found = root.getKeysCount();
  if (found !== entryCount)
    throw new MigrationAuditError(
      'MA_LOG_DAMAGED',
      directory,
      `${found} tables are found, and there should be ${entryCount}`,
    );
}

export async function closeEnvironment({ root, meta }: Environment, directory: string, readOnly: boolean) {
  try {
    if (!readOnly) root.transactionSync(() => void meta.remove(HOLDER_KEY));
  } finally {
    held.delete(directory);
    await root.close();
  }
}

function checkFormat(meta: Table, directory: string): void {
  const found = checked(FORMAT_KEY, meta.get(FORMAT_KEY), `${directory}, its format`).toString();
  if (found !== FORMAT)
    throw new MigrationAuditError('MA_LOG_FORMAT', directory, `its format is ${JSON.stringify(found)}`);
}

/** LMDB runs one write transaction at a time over all processes, so looking and taking cannot be parted. */
function take({ root, meta, records }: Environment, directory: string): void {
  root.transactionSync(() => {
    if (meta.get(FORMAT_KEY) === undefined && records.getKeysCount({ limit: 1 }) === 0)
      meta.put(FORMAT_KEY, seal(FORMAT_KEY, Buffer.from(FORMAT)));
    checkFormat(meta, directory);
    const holder = meta.get(HOLDER_KEY);
    if (holder !== undefined)
      refuseIfAlive(checked(HOLDER_KEY, holder, `${directory}, its holder`), directory);
    const own = `${process.pid} ${bornAt(process.pid) ?? ''}`;
    meta.put(HOLDER_KEY, seal(HOLDER_KEY, Buffer.from(own)));
  });
  held.add(directory);
}

function refuseIfAlive(holder: Buffer, directory: string): void {
  const [pid = '', born = ''] = holder.toString().split(' ');
  if (Number(pid) !== process.pid && bornAt(Number(pid)) === born)
    throw new MigrationAuditError('MA_LOG_IN_USE', directory, `process ${pid} writes to it`);
}

/** Boot and start of a process: a number that came round again is another process. Null: it is no more. */
function bornAt(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : `${boot}/${fields[19]}`;
  } catch {
    return null;
  }
}
