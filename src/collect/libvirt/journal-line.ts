import type { ByteText } from '../../domain/byte-text.js';
import { isoStampUs } from './stamps.js';

/** A line of journalctl, or of a syslog file, around what the program said. */
export interface JournalLine {
  /** µs by the journal; null when the form names neither year nor zone (`Nov 23 01:11:47`) */
  at: number | null;
  /** `libvirtd`, `systemd` … */
  program: string;
  message: ByteText;
}

const ISO_FORM = /^(\d{4}-\d\d-\d\dT[0-9:.,]+(?:Z|[+-][0-9:]+)) \S+ ([^\s[\]:]+)(?:\[\d+\])?: (.*)$/s;
const SYSLOG_FORM = /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \S+ ([^\s[\]:]+)(?:\[\d+\])?: (.*)$/s;

/** @returns null when the line has no such form */
export function parseJournalLine(text: ByteText): JournalLine | null {
  const iso = ISO_FORM.exec(text);
  if (iso) {
    return {
      at: isoStampUs(iso[1] as string),
      program: iso[2] as string,
      message: iso[3] as string,
    };
  }
  const syslog = SYSLOG_FORM.exec(text);
  return syslog && { at: null, program: syslog[1] as string, message: syslog[2] as string };
}

const UNIT_MESSAGE = /^(?:(Started|Stopped) )?((?:libvirtd|virt[a-z]+d)\.service)(?:: (.*)| - .*|\.)?$/s;

/** What systemd says of one of libvirt's daemons; null for everything else it says. */
export function daemonChangeBySystemd(
  message: ByteText,
): { daemon: string; change: 'started' | 'stopped' | 'failed' } | null {
  const match = UNIT_MESSAGE.exec(message);
  if (!match) return null;
  const daemon = (match[2] as string).slice(0, -'.service'.length);
  if (match[1]) return { daemon, change: match[1] === 'Started' ? 'started' : 'stopped' };
  const said = match[3] ?? '';
  const exit = /^Main process exited, code=(\w+), status=(\d+)/.exec(said);
  if (exit) return { daemon, change: exit[1] === 'exited' && exit[2] === '0' ? 'stopped' : 'failed' };
  // an idle daemon that ends by itself (--timeout) is never "Stopped"
  if (said === 'Deactivated successfully.' || said === 'Succeeded.') return { daemon, change: 'stopped' };
  return null;
}
