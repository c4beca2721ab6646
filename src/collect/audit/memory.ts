import { asciiJson } from '../ascii-json.js';
import { Fate, type PastEvent } from './recent-events.js';
import type { LastSerial } from './serial-gaps.js';

/** What the reader of a stream's next lines has to know of those before. */
export interface Memory {
  /** the stream has PROCTITLE records, so that an event without one lacks it */
  proctitles: boolean;
  serials: LastSerial[];
  /** events of which more records may follow */
  neighbours: PastEvent[];
}

/** As printable ASCII. */
export function writeMemory(memory: Memory): string {
  return asciiJson(memory);
}

/** Null when it was lost or changed where it was kept: then nothing is known. */
export function readMemory(text: string): Memory | null {
  if (text === '') return null;
  try {
    const { proctitles, serials, neighbours } = JSON.parse(text) as Memory;
    const isWhole =
      typeof proctitles === 'boolean' && serials.every(isStamp) && neighbours.every(isPastEvent);
    return isWhole ? { proctitles, serials, neighbours } : null;
  } catch {
    return null;
  }
}

function isPastEvent(event: PastEvent): boolean {
  return isStamp(event) && Object.values(Fate).includes(event.fate);
}

function isStamp({ node, serial, at_ms }: LastSerial): boolean {
  return (node === null || typeof node === 'string') && isCount(serial) && isCount(at_ms);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
