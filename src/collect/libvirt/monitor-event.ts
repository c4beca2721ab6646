import type { ByteText } from '../../domain/byte-text.js';
import { isTimeUs } from '../../domain/time.js';
import type { GuestIoError, GuestName } from '../../events/event.js';
import type { EventSink, Origin } from '../../events/origin.js';
import { isStreamTrailer, streamEnded } from './event-stream-end.js';
import { LineReader } from './line-reader.js';
import type { Line } from './lines.js';
import { libvirtStampUs } from './stamps.js';

const VIRSH_STAMPED = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+\d{4}): event ([A-Z0-9_]+) for domain '/;
const QEMU_STAMPED = /^event ([A-Z0-9_]+) at (\d{1,11})\.(\d{6}) for domain '/;
const NO_DATA = "': <null>";
const BEFORE_DATA = "': ";
/** A name may hold what looks like the beginning of the data; so many of them are tried. */
const MAX_DATA_CANDIDATES = 64;

interface MonitorLine {
  at: number;
  name: string;
  guest: GuestName;
  /** null: the event has no data */
  data: Record<string, unknown> | null;
  dataText: ByteText;
}

/**
 * Reads `virsh qemu-monitor-event --loop`, with or without --timestamp (tools/virsh-domain.c, virshEventQemuPrint):
 *
 *     2026-11-23 00:47:10.527+0000: event STOP for domain 'NAME': <null>
 *     event MIGRATION at 1795396298.074566 for domain 'NAME': {"status":"active"}
 *
 * The first stamp is virsh's at receipt, the second QEMU's own and therefore the better one.
 */
export class MonitorEventReader extends LineReader {
  private lastAt: number | null = null;

  constructor(origin: Origin, sink: EventSink) {
    super(origin, sink, 'qemu-monitor-event');
  }

  protected read(line: Line, text: ByteText): void {
    if (text === '') {
      this.skip(line);
      return;
    }
    if (isStreamTrailer(text)) {
      this.readTrailer(line, text);
      return;
    }
    const parsed = parseMonitorLine(text);
    if (typeof parsed === 'string') {
      this.reject(line, parsed);
      return;
    }
    this.lastAt = parsed.at;
    this.tell(line, parsed);
  }

  private readTrailer(line: Line, text: ByteText): void {
    if (this.lastAt === null) this.reject(line, 'trailer-before-any-event');
    else this.emit('GapDetected', this.lastAt, [line], streamEnded('qemu-monitor-event', this.lastAt, text));
  }

  private tell(line: Line, { at, name, guest, data, dataText }: MonitorLine): void {
    if (name === 'STOP') {
      this.emit('VcpusStopped', at, [line], { guest });
    } else if (name === 'RESUME') {
      this.emit('VcpusResumed', at, [line], { guest });
    } else if (name === 'MIGRATION') {
      const status = textOrNull(data?.['status']);
      if (status === null) this.reject(line, 'unexpected-data');
      else this.emit('MigrationStatusChanged', at, [line], { guest, status });
    } else if (name === 'BLOCK_IO_ERROR') {
      this.emit('GuestIoError', at, [line], { guest, ...ioErrorOf(data) });
    } else if (name === 'MIGRATION_PASS') {
      this.skip(line);
    } else {
      this.emit('DomainEventSeen', at, [line], { guest, event: `qmp:${name}`, detail: dataText });
    }
  }
}

function ioErrorOf(data: MonitorLine['data']): Omit<GuestIoError, 'guest'> {
  return {
    path: null,
    // Since libvirt uses -blockdev, `device` is empty; the object in QEMU's tree is then the only name.
    device: textOrNull(data?.['device']) ?? textOrNull(data?.['qom-path']),
    node_name: textOrNull(data?.['node-name']),
    operation: textOrNull(data?.['operation']),
    action: textOrNull(data?.['action']) ?? 'unknown',
    reason: textOrNull(data?.['reason']),
  };
}

/** The parsed line, or the reason why it is none. */
function parseMonitorLine(text: ByteText): MonitorLine | string {
  const byVirsh = VIRSH_STAMPED.exec(text);
  const byQemu = byVirsh ? null : QEMU_STAMPED.exec(text);
  const head = byVirsh ?? byQemu;
  if (!head) return text.startsWith('event ') ? 'no-timestamp' : 'malformed-line';
  const at = byVirsh ? libvirtStampUs(byVirsh[1] as string) : Number(head[2]) * 1_000_000 + Number(head[3]);
  if (at === null || !isTimeUs(at)) return 'bad-stamp';
  const named = splitNameFromData(text.slice(head[0].length));
  if (!named) return 'bad-json';
  const { name: guestName, ...data } = named;
  return {
    at,
    name: (byVirsh ? head[2] : head[1]) as string,
    guest: { uuid: null, name: guestName },
    ...data,
  };
}

/** Only one place in `NAME': DATA` has a whole JSON object, or `<null>`, between it and the end. */
function splitNameFromData(
  text: ByteText,
): { name: ByteText; data: Record<string, unknown> | null; dataText: ByteText } | null {
  if (text.endsWith(NO_DATA)) {
    return { name: text.slice(0, -NO_DATA.length), data: null, dataText: '<null>' };
  }
  let at = text.indexOf(`${BEFORE_DATA}{`);
  for (let tried = 0; at !== -1 && tried < MAX_DATA_CANDIDATES; tried++) {
    const dataText = text.slice(at + BEFORE_DATA.length);
    const data = jsonObject(dataText);
    if (data) return { name: text.slice(0, at), data, dataText };
    at = text.indexOf(`${BEFORE_DATA}{`, at + 1);
  }
  return null;
}

function jsonObject(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
