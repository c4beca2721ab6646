/** A file's label is its owner, mode and SELinux context; this file compares labels, it never reads them. */

/** Numeric owner. `null` in a part means "not stated": in a request, that part stays as it is. */
export interface Owner {
  uid: number | null;
  gid: number | null;
}

/** A label as far as somebody stated it. `mode` is the permission bits with file type, as the audit log has it. */
export interface Label {
  uid: number | null;
  gid: number | null;
  mode: number | null;
  context: string | null;
}

export const NO_LABEL: Label = { uid: null, gid: null, mode: null, context: null };

/** SELinux context, `user:role:type:range`; the range may be absent on systems without MLS. */
export interface SelinuxContext {
  user: string;
  role: string;
  type: string;
  range: string;
  /** categories of the high level, single ones: `c1.c3` counts as c1, c2, c3 */
  categories: ReadonlySet<number>;
}

const MAX_CATEGORY = 1024 * 16;

export function parseContext(text: string): SelinuxContext | null {
  const [user, role, type, ...rest] = text.split(':');
  if (!user || !role || !type) return null;
  const range = rest.join(':');
  const high = range.includes('-') ? (range.split('-').at(-1) as string) : range;
  const list = high.split(':')[1] ?? '';
  const categories = new Set<number>();
  // No context names a category twice: overlapping ranges must not become work without end.
  let left = MAX_CATEGORY + 1;
  for (const part of list.split(',')) {
    if (part === '') continue;
    const [from, to] = part.split('.').map((c) => Number.parseInt(c.replace(/^c/, ''), 10));
    if (from === undefined || !Number.isInteger(from) || from < 0 || from > MAX_CATEGORY) continue;
    const last = to !== undefined && Number.isInteger(to) ? Math.min(to, MAX_CATEGORY) : from;
    for (let category = from; category <= last && left > 0; category++, left--) categories.add(category);
  }
  return { user, role, type, range, categories };
}

/** `+64055:+108` (libvirt's DAC label) or `64055:108`; names are the caller's to resolve. */
export function parseDacLabel(text: string): Owner | null {
  const match = /^\+?(\d{1,10}):\+?(\d{1,10})$/.exec(text);
  return match ? { uid: Number(match[1]), gid: Number(match[2]) } : null;
}

export function formatOwner(owner: Owner): string {
  return `${owner.uid ?? '-'}:${owner.gid ?? '-'}`;
}
