import { printable } from '../domain/byte-text.js';
import type { LoggedError } from './error-for-log.js';

const VALUE_CHARACTERS_MAX = 400;

/**
 * A line of the log as a person reads it, from the object that stands in its JSON form:
 *
 *     2026-11-24T02:19:10.123Z WARN  collect: the event stream ended  stream=virsh-event restarts=2
 *       error MA_UNREADABLE: cannot be read: /var/log/audit/audit.log
 *       hint: check its permissions and type
 */
export function textLine(record: Readonly<Record<string, unknown>>): string {
  const { time, level, role, host: _host, cluster: _cluster, msg, err, ...fields } = record;
  const words = Object.entries(fields).map(([name, value]) => `${printable(name)}=${shown(value)}`);
  const message = msg === undefined ? '' : ` ${printable(String(msg), VALUE_CHARACTERS_MAX)}`;
  const head = `${time} ${String(level).toUpperCase().padEnd(5)} ${printable(String(role))}:${message}`;
  const lines = [[head, ...words].join('  '), ...(err === undefined ? [] : errorLines(err as LoggedError))];
  return lines.map((line) => `${line}\n`).join('');
}

/** Words as they are, whatever could be mistaken for more than one word in quotes. */
function shown(value: unknown): string {
  const isWord = typeof value === 'string' && /^[^\s"=]+$/.test(value);
  return printable(isWord ? value : JSON.stringify(value), VALUE_CHARACTERS_MAX);
}

function errorLines({ code, message, where, hint, stack, cause }: LoggedError, as = 'error'): string[] {
  const place = where ? `: ${printable(where)}` : '';
  return [
    `  ${as} ${printable(code)}: ${printable(message)}${place}`,
    ...(hint ? [`  hint: ${printable(hint)}`] : []),
    ...(stack?.split('\n').map((line) => `    ${printable(line)}`) ?? []),
    ...(cause ? errorLines(cause, 'caused by') : []),
  ];
}
