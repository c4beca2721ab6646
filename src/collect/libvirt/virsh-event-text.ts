import type { ByteText } from '../../domain/byte-text.js';
import type { DomainEventSeen, GuestIoError, LifecycleChanged } from '../../events/event.js';

/**
 * One event as `virsh event` prints it, after its stamp (tools/virsh-domain-event.c):
 *
 *     event 'KIND' for domain 'NAME'                         reboot, control-error, pm-*
 *     event 'KIND' for domain 'NAME': REST                   most
 *     event 'KIND' for domain 'NAME' disk ALIAS: REST        disk-change, tray-change
 *     event 'KIND' for domain 'NAME':                        then lines `\tFIELD: VALUE` or `FIELD: VALUE`
 *
 * NAME is printed raw and may hold `'`, `: ` or this very text, but never `/` nor a newline: libvirt refuses such
 * names. So NAME ends at the last separator before the first slash, if there is a slash, or before the end.
 */
type DomainEventFact =
  | { kind: 'LifecycleChanged'; body: LifecycleChanged }
  | { kind: 'GuestIoError'; body: GuestIoError }
  | { kind: 'DomainEventSeen'; body: DomainEventSeen };

export interface DomainEvent {
  fact: DomainEventFact;
  /** false: lines that follow without a stamp still belong to it */
  closed: boolean;
}

const HEAD = /^event '([a-z0-9-]+)' for domain '/;

/** Kinds that print nothing after the name. */
const NAME_ONLY = new Set(['reboot', 'control-error', 'pm-wakeup', 'pm-suspend', 'pm-suspend-disk']);

/** Kinds that print a colon after the name and the rest on lines of their own. */
const LINES_FOLLOW = new Set([
  'tunable',
  'job-completed',
  'memory-failure',
  'memory-device-size-change',
  'nic-mac-change',
]);

/** Kinds that print a disk between name and colon. */
const DISK_FOLLOWS = new Set(['disk-change', 'tray-change']);

/** Other kinds whose text ends with the line, whatever it is. */
const ONE_LINE = new Set([
  'lifecycle',
  'rtc-change',
  'watchdog',
  'tray-change',
  'balloon-change',
  'device-added',
  'device-removed',
  'device-removal-failed',
  'agent-lifecycle',
  'migration-iteration',
]);

/** Kinds that print a path. A path may hold newlines, so the text is over only when it ends like this. */
const END_OF_TEXT = new Map([
  ['io-error', / (?:none|pause|report|unknown)(?: due to .*)?$/s],
  ['block-job', / (?:completed|failed|canceled|ready|unknown)$/],
  ['block-job-2', / (?:completed|failed|canceled|ready|unknown)$/],
  ['disk-change', /: (?:changed|dropped|unknown)$/],
  ['block-threshold', / \d+ \d+$/],
]);

const IO_ERROR = /^(.*) \(([^()]*)\) (none|pause|report|unknown)(?: due to (.*))?$/s;

/** @param text the line without its stamp, continuation lines joined by \n; null when it is no event at all */
export function parseDomainEvent(text: ByteText): DomainEvent | null {
  const head = HEAD.exec(text);
  if (!head) return null;
  const kind = head[1] as string;
  const named = splitName(kind, text.slice(head[0].length));
  if (!named) return null;
  const closed = NAME_ONLY.has(kind) || ONE_LINE.has(kind) || (END_OF_TEXT.get(kind)?.test(text) ?? false);
  return { fact: factOf(kind, named.name, named.rest), closed };
}

function factOf(kind: string, name: ByteText, rest: ByteText): DomainEventFact {
  const guest = { uuid: null, name };
  if (kind === 'lifecycle') {
    const space = rest.indexOf(' ');
    if (space > 0) {
      const body = { guest, event: rest.slice(0, space), detail: rest.slice(space + 1) };
      return { kind: 'LifecycleChanged', body };
    }
  }
  const ioError = kind === 'io-error' ? IO_ERROR.exec(rest) : null;
  if (ioError) {
    const [, path = '', alias = '', action = '', reason] = ioError;
    return {
      kind: 'GuestIoError',
      body: {
        guest,
        path: path === '' ? null : path,
        device: alias === '' ? null : alias,
        node_name: null,
        operation: null,
        action,
        // Two lines come per error: the plain one, and one with a reason (which may be empty).
        reason: reason ?? null,
      },
    };
  }
  return { kind: 'DomainEventSeen', body: { guest, event: kind, detail: rest } };
}

/** `text` begins right after the quote that opens the name. */
function splitName(kind: string, text: ByteText): { name: ByteText; rest: ByteText } | null {
  const newline = text.indexOf('\n');
  const firstLine = newline === -1 ? text : text.slice(0, newline);
  const following = newline === -1 ? '' : text.slice(newline + 1);

  if (!NAME_ONLY.has(kind) && !LINES_FOLLOW.has(kind)) {
    const slash = firstLine.indexOf('/');
    const beforeSlash = slash === -1 ? firstLine : firstLine.slice(0, slash);
    const at = beforeSlash.lastIndexOf(DISK_FOLLOWS.has(kind) ? "' disk " : "': ");
    if (at !== -1)
      return { name: text.slice(0, at), rest: text.slice(at + (DISK_FOLLOWS.has(kind) ? 2 : 3)) };
  }
  // Also what a kind that is not known yet may look like.
  for (const end of NAME_ONLY.has(kind) ? ["'"] : ["':", "'"]) {
    if (firstLine.endsWith(end)) return { name: firstLine.slice(0, -end.length), rest: following };
  }
  return null;
}
