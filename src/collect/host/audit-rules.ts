import type { ByteText } from '../../domain/byte-text.js';

/** One line of `auditctl -l`. */
export interface AuditRule {
  /** as it was printed */
  text: ByteText;
  action: string;
  /** exit, task, user, exclude, filesystem, io_uring */
  list: string;
  /** as printed: `b64`, `b32`, `x86_64` …; null for every one */
  arch: string | null;
  /** names, or numbers where auditctl knows no name; `all`, alone, for every call */
  calls: ReadonlySet<string>;
  /** the other conditions, each an operator and a value */
  fields: ReadonlyMap<string, string>;
}

/**
 * @param line `-a always,exit -F arch=b64 -S chown,fchown -F dir=/images -F key=k`, or a watch, `-w /images -p a -k k`, which
 *   auditctl prints for a rule over every call below a path
 */
export function parseAuditRule(line: ByteText): AuditRule | null {
  const words = line.split(' ').filter((word) => word !== '');
  const fields = new Map<string, string>();
  const calls = new Set<string>();
  let placed: { action: string; list: string } | null = null;
  let arch: string | null = null;
  for (let i = 0; i + 1 < words.length; i += 2) {
    const [option, value] = [words[i], words[i + 1]] as [string, string];
    if (option === '-a' || option === '-A') {
      const [first = '', second = ''] = value.split(',');
      placed = ACTIONS.has(first) ? { action: first, list: second } : { action: second, list: first };
    } else if (option === '-S') for (const call of value.split(',')) calls.add(call);
    else if (option === '-w') {
      placed = { action: 'always', list: 'exit' };
      calls.add('all');
      fields.set('dir', `=${value}`);
    } else if (option === '-p') fields.set('perm', `=${value}`);
    else if (option === '-F' || option === '-C') {
      const [, name = '', condition = ''] = /^([a-z_0-9]+)(.*)$/s.exec(value) ?? [];
      if (name === 'arch') arch = condition.replace(/^=/, '');
      else if (name !== 'key') fields.set(name, condition);
    }
  }
  return placed === null ? null : { text: line, ...placed, arch, calls, fields };
}

const ACTIONS: ReadonlySet<string> = new Set(['always', 'never', 'possible']);

/** The calls by which an image's owner or label is changed, on a 64-bit machine; those that a machine lacks are left out. */
export const RELABEL_CALLS = {
  owner: ['chown', 'fchown', 'lchown', 'fchownat'],
  label: ['setxattr', 'lsetxattr', 'fsetxattr'],
} as const;

/** Does the rule record this call, for some files or all? */
export function records(rule: AuditRule, call: string): boolean {
  if (rule.action !== 'always' || rule.list !== 'exit') return false;
  if (rule.calls.has(call)) return true;
  // a watch, or `-F perm=a`: calls that change attributes are among those of the class
  const perm = rule.fields.get('perm');
  if (perm !== undefined && !perm.includes('a')) return false;
  return rule.calls.has('all') || (perm !== undefined && rule.calls.size === 0);
}

/** Where no guest has its images, and hardening guides want watches. */
const SYSTEM_PATHS = /^=\/(?:etc|usr|bin|sbin|lib|boot|root|proc|sys|var\/log|var\/spool)(?:\/|$)/;

/**
 * Can the rule be about what libvirt does to images? The usual rules of hardening guides ask for a login (auid>=1000), which
 * no daemon has, or watch the system's own files.
 */
export function canMeetImages(rule: AuditRule): boolean {
  if (rule.fields.has('auid')) return false;
  const place = rule.fields.get('dir') ?? rule.fields.get('path');
  return place === undefined || !SYSTEM_PATHS.test(place);
}

/** Are changes of an image's owner recorded at all, by some rule? */
export function recordsRelabels(rules: readonly AuditRule[]): boolean {
  const candidates = rules.filter(canMeetImages);
  return RELABEL_CALLS.owner.some((call) => candidates.some((rule) => records(rule, call)));
}
