import { type ByteText, bytesOf } from '../../domain/byte-text.js';
import type { DaemonChanged } from '../../events/event.js';
import type { EventSink, Origin } from '../../events/origin.js';
import { parseAuditMessage } from './audit-messages.js';
import { daemonChangeBySystemd, parseJournalLine } from './journal-line.js';
import type { Line } from './lines.js';
import { ResumableLineReader, readContext } from './resumable-line-reader.js';
import { parseSecurityMessage } from './security-messages.js';
import { libvirtStampUs } from './stamps.js';

/** `TS: TID: LEVEL : [FUNCTION:LINE : ]MESSAGE` (virlog.c, virLogFormatString) */
const LIBVIRT_LINE =
  /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000): (\d{1,10}): (?:debug|info|warning|error) : (?:([A-Za-z_]\w*):\d+ : )?(.*)$/s;
const STAMP_LIKE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/;
const DAEMON_NAME = /^(?:libvirtd|virt[a-z]+d)/;

const SAW_PREFIX = { sawPrefix: true };
const SAW_NONE = { sawPrefix: false };

/** Where a line was found, once its outer prefix is off. */
interface Setting {
  source: 'daemon-log' | 'journal';
  daemon: string;
}

/**
 * Reads what libvirtd (or virtqemud …) logs, from its own file or from journalctl. Children that libvirtd forks for
 * labelling log to stderr, so their lines, with the paths, are in the journal only. Time is that of libvirt's own
 * prefix; lines of systemd have the journal's.
 */
export class DaemonLogReader extends ResumableLineReader {
  private sawPrefix: boolean;

  /** @param memory of the reader that read the stream before */
  constructor(origin: Origin, sink: EventSink, memory = '') {
    super(origin, sink, 'daemon-log');
    this.sawPrefix = readContext(memory)?.['sawPrefix'] === true;
  }

  protected context(): unknown {
    return this.sawPrefix ? SAW_PREFIX : SAW_NONE;
  }

  protected heldFrom(): null {
    return null;
  }

  protected read(line: Line, text: ByteText): void {
    const journal = parseJournalLine(text);
    if (!journal) {
      this.readSaying(line, text, { source: 'daemon-log', daemon: daemonOfFile(line.file) });
      return;
    }
    this.sawPrefix = true;
    const { at, program, message } = journal;
    if (program === 'systemd') this.readSystemd(line, at, message);
    else if (DAEMON_NAME.test(program))
      this.readSaying(line, message, { source: 'journal', daemon: program });
    else this.skip(line);
  }

  private readSystemd(line: Line, at: number | null, message: ByteText): void {
    const change = daemonChangeBySystemd(message);
    if (!change) this.skip(line);
    else if (at === null) this.reject(line, 'stamp-without-year');
    else this.emit('DaemonChanged', at, [line], change);
  }

  /** @param text what libvirt itself wrote */
  private readSaying(line: Line, text: ByteText, { source, daemon }: Setting): void {
    const match = LIBVIRT_LINE.exec(text);
    if (!match) {
      this.readUnprefixed(line, text);
      return;
    }
    this.sawPrefix = true;
    const at = libvirtStampUs(match[1] as string);
    if (at === null) {
      this.reject(line, 'bad-stamp');
      return;
    }
    // The same saying, shown by journalctl in another output format, is the same fact.
    const recognised = { identity: bytesOf(text), part: source };
    const message = match[4] as string;
    if (match[3] === undefined && message.startsWith('libvirt version: ')) {
      const change: DaemonChanged = { daemon, change: 'started' };
      this.emit('DaemonChanged', at, [line], change, recognised);
      return;
    }
    const told = match[3]?.startsWith('virDomainAudit') ? parseAuditMessage(message) : null;
    if (told) {
      this.emit(told.kind, at, [line], told.body, recognised);
      return;
    }
    const intent = parseSecurityMessage(match[3] ?? '', message);
    if (intent === null) this.skip(line);
    else if (intent === 'malformed') this.reject(line, 'malformed-security-message');
    else
      this.emit(
        'RelabelIntended',
        at,
        [line],
        { source, ...intent, thread_id: Number(match[2]) },
        recognised,
      );
  }

  /** Messages may have several lines; only the first has a prefix, and journalctl has remarks of its own. */
  private readUnprefixed(line: Line, text: ByteText): void {
    if (STAMP_LIKE.test(text)) this.reject(line, 'malformed-line');
    else if (this.sawPrefix || text === '' || text.startsWith('-- ')) this.skip(line);
    else this.reject(line, 'no-prefix');
  }
}

/** `…/virtqemud.log` -> `virtqemud`; libvirtd where the name does not tell */
function daemonOfFile(file: string): string {
  const name = file.slice(file.lastIndexOf('/') + 1);
  return /^(libvirtd|virt[a-z]+d)\b/.exec(name)?.[1] ?? 'libvirtd';
}
