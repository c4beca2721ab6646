import { join } from 'node:path';
import { readSmallFile } from '../../config/bounded-file.js';
import { isTimeUs } from '../../domain/time.js';

export interface Boot {
  /** null when the kernel does not tell */
  id: string | null;
  /** µs since the epoch, to the second */
  began_us: number | null;
}

const BOOT_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Grows with the number of processors and interrupts. */
const STAT_BYTES = 4 * 1024 * 1024;

/** @param root stands before every path; `''` on a real host */
export async function readBoot(root = ''): Promise<Boot> {
  const id = await textOf(join(root, '/proc/sys/kernel/random/boot_id'), 64);
  const seconds = /^btime (\d{1,11})$/m.exec(await textOf(join(root, '/proc/stat'), STAT_BYTES))?.[1];
  const began_us = Number(seconds ?? Number.NaN) * 1e6;
  return { id: BOOT_ID.test(id) ? id : null, began_us: isTimeUs(began_us) ? began_us : null };
}

async function textOf(path: string, bytes_max: number): Promise<string> {
  const file = await readSmallFile(path, bytes_max);
  return typeof file === 'string' ? '' : file.bytes.toString('latin1').trim();
}
