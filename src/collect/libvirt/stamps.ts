import { isTimeUs } from '../../domain/time.js';

/**
 * Times as libvirt, QEMU and journalctl print them, in µs since the epoch. All but the syslog form state their
 * zone; whatever is no date of the calendar is null, never a near miss.
 */

const LIBVIRT_STAMP = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{3})\+0000$/;
/** length of `2026-11-23 00:47:10.527+0000` */
export const LIBVIRT_STAMP_LENGTH = 28;
const ISO_STAMP = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)$/;

/** `2026-11-23 00:47:10.527+0000`: libvirt's log and virsh, always UTC (virtime.c, virTimeStringThenRaw). */
export function libvirtStampUs(text: string): number | null {
  const match = LIBVIRT_STAMP.exec(text);
  return match ? possible(microseconds(match)) : null;
}

/** `2026-11-23T01:11:48.862523Z` (QEMU), `…+00:00` and `…+0000` (journalctl -o short-iso[-precise]). */
export function isoStampUs(text: string): number | null {
  const match = ISO_STAMP.exec(text);
  if (!match) return null;
  const local = microseconds(match);
  return local === null ? null : possible(local - zoneOffsetUs(match[8] as string));
}

/** A garbled year is no time, even where the calendar has that day. */
function possible(at: number | null): number | null {
  return at !== null && isTimeUs(at) ? at : null;
}

function microseconds(match: RegExpExecArray): number | null {
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // Date rolls 31 February over into March; a stamp that does that is none.
  const exists =
    date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!exists || hour > 23 || minute > 59 || second > 60) return null;
  const fraction = Number((match[7] ?? '').padEnd(6, '0').slice(0, 6));
  return date.getTime() * 1000 + fraction;
}

function zoneOffsetUs(zone: string): number {
  if (zone === 'Z') return 0;
  const digits = zone.replace(':', '');
  const minutes = Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3, 5));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000_000;
}
