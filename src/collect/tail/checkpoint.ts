import type { GapKind } from '../../events/event.js';
import { asciiJson } from '../ascii-json.js';
import type { RejectedLinesMemory } from '../rejected-lines.js';
import { type Position, positionFrom } from './position.js';

/** A hole in what the log says, until it is known where it ends. */
export interface OpenHole {
  gap: GapKind;
  from_us: number | null;
  detail: string;
}

/** Everything that another process needs to go on with a log as if it were the same one. */
export interface LogCheckpoint {
  position: Position;
  /** of the reader, where `position` stands */
  memory: string;
  sequence: number;
  /** stamp of the last line before, µs; null when it is not known */
  settled_us: number | null;
  /** from there to where reading stopped */
  again_bytes: number;
  rejected: RejectedLinesMemory;
  hole: OpenHole | null;
}

export function writeCheckpoint(checkpoint: unknown): Buffer {
  return Buffer.from(asciiJson(checkpoint), 'latin1');
}

/** Null when it is not one of ours. */
export function readCheckpoint(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('latin1'));
  } catch {
    return null;
  }
}

/** Null when it is not one of ours. */
export function logCheckpointFrom(value: unknown): LogCheckpoint | null {
  if (typeof value !== 'object' || value === null) return null;
  const { position, memory, sequence, settled_us, again_bytes, rejected, hole } =
    value as Partial<LogCheckpoint>;
  const known = positionFrom(position);
  const isWhole =
    known !== null &&
    typeof memory === 'string' &&
    isCount(sequence) &&
    isTime(settled_us) &&
    isCount(again_bytes) &&
    isRejected(rejected) &&
    (hole === null || isHole(hole));
  return isWhole ? { position: known, memory, sequence, settled_us, again_bytes, rejected, hole } : null;
}

function isRejected(value: unknown): value is RejectedLinesMemory {
  if (typeof value !== 'object' || value === null) return false;
  const { told, lastEvent_us, open } = value as Partial<RejectedLinesMemory>;
  return (
    isCount(told) &&
    isTime(lastEvent_us) &&
    (open === null || (typeof open === 'object' && isTime(open.from_us) && isCount(open.lines)))
  );
}

function isHole(value: unknown): value is OpenHole {
  if (typeof value !== 'object' || value === null) return false;
  const { gap, from_us, detail } = value as Partial<OpenHole>;
  return typeof gap === 'string' && isTime(from_us) && typeof detail === 'string';
}

function isTime(value: unknown): value is number | null {
  return value === null || isCount(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
