/**
 * What other programs put before a record that they pass on: syslog and the journal (`Nov 23 00:47:10 hosta audispd: `),
 * the kernel when no auditd listens (`… kernel: [12.3] audit: `), an editor (a byte order mark, blanks).
 */

const LONGEST = 256;
const BLANKS = /^(?:\xef\xbb\xbf)?[ \t]*$/;
const SYSLOG =
  /^(?:\xef\xbb\xbf)?(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT[\d:.,]+(?:Z|[+-][\d:]+)) \S+ [\w./-]+(?:\[\d+\])?: (?:\[ *\d+\.\d+\] )?(?:audit: )?$/;
const KERNEL = /^(?:<\d{1,3}>)?(?:\[ *\d+\.\d+\] )?audit: $/;
const RECORD = /(?:^|[\s\xbf])(node=\S+ type=|type=)/;

/**
 * Where the record begins in a line that does not begin with one.
 *
 * @returns `end` when nothing known stands before a record in it
 */
export function recordStart(bytes: Buffer, start: number, end: number): number {
  const head = bytes.toString('latin1', start, Math.min(end, start + LONGEST));
  const found = RECORD.exec(head);
  if (found === null) return end;
  const at = found.index + found[0].length - (found[1] as string).length;
  const prefix = head.slice(0, at);
  const isKnown = at > 0 && (BLANKS.test(prefix) || SYSLOG.test(prefix) || KERNEL.test(prefix));
  return isKnown ? start + at : end;
}
