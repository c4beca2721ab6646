import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Big audit logs made of the recorded samples over and over, each event with a serial of its own.
 *
 * What `ausearch` makes of a log depends on its stamps far more than on its size: it goes through all events of the
 * last two seconds for each record. So a figure beside it needs the shape of the log that it was taken on.
 */
export interface AuditLogShape {
  bytes: number;
  format: 'raw' | 'enriched';
  /** in the 1 % logs 99 of 100 events are of a call that relabels nothing */
  percentOurs: 1 | 100;
  /** as their stamps tell: 100 on a busy host, 1,000 and more while somebody relabels a directory */
  events_per_s: number;
  /** `strangers`: every call of ours is on a file of its own that is no guest's, as of a `chown -R` */
  files?: 'samples' | 'strangers';
}

const SAMPLES = new URL('../test/golden/audit-records/', import.meta.url).pathname;
const STAMP = /audit\(\d+\.\d+:\d+\)/;
const STAMPS = new RegExp(STAMP, 'g');
const FIRST_MS = 1_795_400_000_000;
const BLOCK_BYTES = 1 << 18;

interface Sample {
  /** the event's text with its stamps cut out */
  parts: string[];
}

/** Writes the log and returns its size in bytes. */
export function writeAuditLog(path: string, shape: AuditLogShape): number {
  const all = samplesOf(shape.format);
  const samples = shape.files === 'strangers' ? all.filter(isPlainCall) : all;
  const others = all.filter(isPlainCall).map(asForeignCall);
  const log = openSync(path, 'w');
  let written = 0;
  let block = '';
  for (let n = 0; written < shape.bytes; n++) {
    const ours = shape.percentOurs === 100 || n % 100 === 0;
    const sample = (
      ours ? samples[(shape.percentOurs === 100 ? n : n / 100) % samples.length] : others[n % others.length]
    ) as Sample;
    const time = timeAt(n / shape.events_per_s);
    const parts = shape.files === 'strangers' && ours ? ofStranger(sample.parts, n) : sample.parts;
    block += `${parts.join(`audit(${time}:${n + 1})`)}\n`;
    if (block.length < BLOCK_BYTES) continue;
    written += writeSync(log, block, null, 'latin1');
    block = '';
  }
  closeSync(log);
  return written;
}

function timeAt(elapsed_s: number): string {
  const at_ms = FIRST_MS + Math.floor(elapsed_s * 1000);
  return `${Math.floor(at_ms / 1000)}.${String(at_ms % 1000).padStart(3, '0')}`;
}

function samplesOf(format: AuditLogShape['format']): Sample[] {
  const events: string[][] = [];
  for (const scenario of readdirSync(SAMPLES).sort()) {
    if (scenario.startsWith('_')) continue;
    let lines: string[] = [];
    let stamp = '';
    for (const line of readFileSync(join(SAMPLES, scenario, `${format}.log`), 'latin1').split('\n')) {
      if (line === '') continue;
      const found = STAMP.exec(line)?.[0] ?? '';
      if (found !== stamp && lines.length > 0) {
        events.push(lines);
        lines = [];
      }
      stamp = found;
      lines.push(line);
    }
    if (lines.length > 0) events.push(lines);
  }
  return events.map((lines) => ({ parts: lines.join('\n').replace(STAMPS, '\0').split('\0') }));
}

function isPlainCall({ parts }: Sample): boolean {
  const text = parts.join('');
  return text.includes('type=PATH') && !text.includes('type=AVC');
}

function ofStranger(parts: readonly string[], n: number): string[] {
  return parts.map((part) =>
    part
      .replace(/name=\S+/, `name="/srv/mail/cur/${n}.eml"`)
      .replace(/inode=\d+/, `inode=${FIRST_INODE + n}`),
  );
}

const FIRST_INODE = 1_000_000;

function asForeignCall({ parts }: Sample): Sample {
  return { parts: parts.map((part) => part.replace(/arch=(\w+) syscall=\d+/, 'arch=$1 syscall=59')) };
}
