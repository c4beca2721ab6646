import type { ByteText } from '../../domain/byte-text.js';
import { isTimeUs } from '../../domain/time.js';
import type { GuestName } from '../../events/event.js';
import type { EventSink, Origin } from '../../events/origin.js';
import type { Line } from './lines.js';
import { parseQemuCommandLine } from './qemu-command-line.js';
import { ResumableLineReader, readContext } from './resumable-line-reader.js';
import { openQuoteAfter, splitShellWords } from './shell-words.js';
import { isoStampUs, libvirtStampUs } from './stamps.js';

/** A command line of a guest with hundreds of disks is some 200 KB. */
const MAX_COMMAND_LENGTH = 1024 * 1024;
const MAX_COMMAND_LINES = 20_000;

const LIBVIRT_STAMPED = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000): (.*)$/s;
const QEMU_STAMPED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) (.*)$/s;
const STARTING_UP = /^starting up\b/;
const SHUTTING_DOWN = /^shutting down\b/;
const IO_ERROR = /^IO error device='([^']*)' node-name='([^']*)' reason='(.*)'$/s;
const CHILD_OWNER = /^\d+: debug : \w+:\d+ : Setting child uid:gid to (\d{1,10}):(\d{1,10})(?: |$)/;
/** What QEMU says when an image or the hand-over fails it; only QEMU's own lines are looked at. */
const QEMU_SAYS = /^(?=\S*qemu)\S*: /;
const QEMU_TROUBLE =
  /Failed to get "[^"]*" lock|Permission denied|Could not (?:re)?open |bdrv_inactivate_all|Failed to find an available port/s;
const LOCK_HOLDER = /^Is another process using the image \[.*\]\?$/s;

interface StartBlock {
  at: number;
  header: ByteText;
  lines: Line[];
  /** command line so far */
  command: ByteText;
  openQuote: "'" | '"' | null;
}

/**
 * Reads /var/log/libvirt/qemu/NAME.log: the command line of each start, what libvirt notes about the guest and
 * what QEMU prints. Anything may stand in it, so a line of no known form is foreign, not damaged.
 */
export class GuestLogReader extends ResumableLineReader {
  private readonly fileGuest: GuestName;
  /** guest of the last start in this log */
  private guest: GuestName;
  private block: StartBlock | null = null;
  /** an error of QEMU that its next line may add to */
  private heldError: { at: number; lines: Line[]; text: ByteText } | null = null;
  private lastAt: number | null;

  /**
   * @param guestName the NAME of the file's name; a start may tell a better one
   * @param memory of the reader that read the stream before
   */
  constructor(origin: Origin, sink: EventSink, guestName: ByteText, memory = '') {
    super(origin, sink, 'guest-log');
    this.fileGuest = { uuid: null, name: guestName };
    const known = readContext(memory);
    this.guest = guestIn(known?.['guest']) ?? this.fileGuest;
    this.lastAt = timeIn(known?.['lastAt']);
  }

  /** Two guests often write the same words in the same millisecond, as when their host is shut down. */
  protected override about(): string {
    return this.fileGuest.name ?? '';
  }

  protected context(): unknown {
    return { guest: this.guest, lastAt: this.lastAt };
  }

  protected heldFrom(): Line | null {
    return this.block?.lines[0] ?? this.heldError?.lines[0] ?? null;
  }

  protected read(line: Line, text: ByteText): void {
    const byLibvirt = LIBVIRT_STAMPED.exec(text);
    if (this.block && !byLibvirt) {
      this.continueBlock(this.block, line, text);
      return;
    }
    this.finishBlock(false);
    if (this.heldError && LOCK_HOLDER.test(text)) {
      this.heldError.lines.push(line);
      this.heldError.text += `\n${text}`;
      this.finishError();
      return;
    }
    this.finishError();
    if (byLibvirt) this.readLibvirt(line, byLibvirt[1] as string, byLibvirt[2] as string);
    else this.readQemu(line, text);
  }

  protected override unreadable(): void {
    this.finish();
  }

  protected override finish(): void {
    this.finishBlock(false);
    this.finishError();
  }

  private readLibvirt(line: Line, stamp: string, text: ByteText): void {
    const at = libvirtStampUs(stamp);
    if (at === null) {
      this.reject(line, 'bad-stamp');
      return;
    }
    this.lastAt = at;
    if (STARTING_UP.test(text)) {
      this.block = { at, header: text, lines: [line], command: '', openQuote: null };
      return;
    }
    const { guest } = this;
    if (SHUTTING_DOWN.test(text)) {
      this.emit('DomainEventSeen', at, [line], { guest, event: 'guest-log:shutting-down', detail: text });
      return;
    }
    const ioError = IO_ERROR.exec(text);
    if (ioError) {
      const [device, node_name, reason] = ioError.slice(1).map((part) => (part === '' ? null : part)) as [
        ByteText | null,
        ByteText | null,
        ByteText | null,
      ];
      const body = { guest, path: null, device, node_name, operation: null, action: 'unknown', reason };
      this.emit('GuestIoError', at, [line], body);
      return;
    }
    const owner = CHILD_OWNER.exec(text);
    if (!owner) {
      this.skip(line);
      return;
    }
    const label = `+${owner[1]}:+${owner[2]}`;
    this.emit('GuestLabelAssigned', at, [line], {
      serial: null,
      source: 'guest-log',
      guest,
      model: 'dac',
      process_label: label,
      image_label: label,
    });
  }

  private readQemu(line: Line, text: ByteText): void {
    const stamped = QEMU_STAMPED.exec(text);
    const said = stamped ? (stamped[2] as string) : text;
    if (!QEMU_SAYS.test(said) || !QEMU_TROUBLE.test(said)) {
      this.skip(line);
      return;
    }
    // Without `-msg timestamp=on` it was said some time after the last stamp; that keeps its place in the order.
    const at = stamped ? isoStampUs(stamped[1] as string) : this.lastAt;
    if (at === null) {
      this.reject(line, stamped ? 'bad-stamp' : 'no-timestamp');
      return;
    }
    this.lastAt = at;
    this.heldError = { at, lines: [line], text: said };
  }

  private finishError(): void {
    const held = this.heldError;
    if (!held) return;
    this.heldError = null;
    const body = { guest: this.guest, event: 'guest-log:qemu-error', detail: held.text };
    this.emit('DomainEventSeen', held.at, held.lines, body);
  }

  private continueBlock(block: StartBlock, line: Line, text: ByteText): void {
    const tooLong = block.command.length + text.length > MAX_COMMAND_LENGTH;
    if (tooLong || block.lines.length > MAX_COMMAND_LINES) {
      this.reject(line, 'command-line-too-long');
      this.finishBlock(false);
      return;
    }
    block.lines.push(line);
    block.command += `${text}\n`;
    block.openQuote = openQuoteAfter(text, block.openQuote);
    if (block.openQuote === null && !text.endsWith('\\')) this.finishBlock(true);
  }

  /** @param whole the command line was seen to its end */
  private finishBlock(whole: boolean): void {
    const block = this.block;
    if (!block) return;
    this.block = null;
    const start = parseQemuCommandLine(splitShellWords(block.command));
    this.guest = { uuid: start.uuid, name: start.name ?? this.fileGuest.name };
    const { guest } = this;
    const { at, lines, header } = block;
    this.emit('DomainEventSeen', at, lines, { guest, event: 'guest-log:starting-up', detail: header });
    if (block.lines.length === 1) return;
    this.emit(
      'ImageAssigned',
      at,
      lines,
      {
        serial: null,
        source: 'guest-log',
        guest,
        reason: 'start',
        complete: whole && start.complete,
        images: start.images,
        replaces: null,
      },
      { part: 'images' },
    );
  }
}

function guestIn(value: unknown): GuestName | null {
  if (typeof value !== 'object' || value === null) return null;
  const { uuid, name } = value as Record<string, unknown>;
  return isTextOrNull(uuid) && isTextOrNull(name) ? { uuid, name } : null;
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

function timeIn(value: unknown): number | null {
  return typeof value === 'number' && isTimeUs(value) ? value : null;
}
