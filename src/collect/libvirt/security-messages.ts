import type { ByteText } from '../../domain/byte-text.js';
import type { RelabelIntended } from '../../events/event.js';

/** What one message of a security driver says, without where it was said. */
export type Intent = Omit<RelabelIntended, 'source' | 'thread_id'>;

type Driver = RelabelIntended['model'];

interface MessageForm {
  pattern: RegExp;
  /** @param part text of the n-th group of the pattern, from 1 */
  intent: (
    part: (n: number) => string,
    driver: Driver,
  ) => Pick<Intent, 'model' | 'operation'> & Partial<Intent>;
}

const NO_INTENT: Omit<Intent, 'model' | 'operation'> = {
  guest: null,
  path: null,
  asked_uid: null,
  asked_gid: null,
  asked_context: null,
  migrated: null,
};

/**
 * Messages of security_dac.c and security_selinux.c that name what is labelled. A path is printed raw and may hold
 * anything, so each pattern takes as much path as leaves the fixed text around it whole.
 */
const FORMS: readonly MessageForm[] = [
  {
    pattern: /^Setting DAC user and group on '(.*)' to '(-?\d+):(-?\d+)'$/s,
    intent: (part) => ({ model: 'dac', operation: 'set', path: part(1), ...owner(part(2), part(3)) }),
  },
  {
    pattern: /^Restoring DAC user and group on '(.*)' to (-?\d+):(-?\d+)$/s,
    intent: (part) => ({ model: 'dac', operation: 'restore', path: part(1), ...owner(part(2), part(3)) }),
  },
  {
    pattern:
      /^Setting user and group to '(-?\d+):(-?\d+)' on '(.*)' (not supported by filesystem|not permitted|not possible on readonly filesystem)$/s,
    intent: (part) => ({
      model: 'dac',
      operation: DAC_REFUSALS[part(4) as keyof typeof DAC_REFUSALS],
      path: part(3),
      ...owner(part(1), part(2)),
    }),
  },
  {
    pattern: /^Setting SELinux context on fd \d+ to '([^']*)'$/,
    intent: (part) => ({ model: 'selinux', operation: 'set', asked_context: part(1) }),
  },
  {
    pattern: /^Setting SELinux context on '(.*)' to '([^']*)'$/s,
    intent: (part) => ({ model: 'selinux', operation: 'set', path: part(1), asked_context: part(2) }),
  },
  {
    pattern: /^Restoring SELinux context on '(.*)'$/s,
    intent: (part) => ({ model: 'selinux', operation: 'restore', path: part(1) }),
  },
  {
    pattern:
      /^Setting security context '([^']*)' on '(.*)' not supported(?:\. Consider setting virt_use_nfs)?$/s,
    intent: (part) => ({
      model: 'selinux',
      operation: 'unsupported',
      path: part(2),
      asked_context: part(1),
    }),
  },
  {
    pattern: /^unable to set security context '([^']*)' on '(.*)' \(errno (\d+)\)$/s,
    intent: (part) => ({
      model: 'selinux',
      operation: SELINUX_REFUSALS[part(3) as keyof typeof SELINUX_REFUSALS] ?? 'set',
      path: part(2),
      asked_context: part(1),
    }),
  },
  {
    pattern: /^Restoring security label on (.*) migrated=([01])$/s,
    intent: (part, model) => ({
      model,
      operation: 'restore-all',
      guest: { uuid: null, name: part(1) },
      migrated: part(2) === '1',
    }),
  },
  {
    pattern: /^Skipping image label restore on (.*) because FS is shared$/s,
    intent: (part, model) => ({ model, operation: 'skip-shared', path: part(1) }),
  },
];

const DAC_REFUSALS = {
  'not supported by filesystem': 'unsupported',
  'not permitted': 'not-permitted',
  'not possible on readonly filesystem': 'read-only',
} as const;

/** EPERM, EACCES, EROFS, EOPNOTSUPP on Linux; any other errno says nothing more than that it was tried */
const SELINUX_REFUSALS = {
  '1': 'not-permitted',
  '13': 'not-permitted',
  '30': 'read-only',
  '95': 'unsupported',
} as const;

/** How messages begin that must match a form; one that does not has been cut or holds a newline. */
const OPENINGS =
  /^(?:Setting DAC user and group on |Restoring DAC user and group on |Setting user and group to |Setting SELinux context on |Restoring SELinux context on |Setting security context |unable to set security context |Restoring security label on |Skipping image label restore on )/;

/**
 * @param functionName C function that logged it; two forms do not name their driver, it does
 * @returns null: no message about labelling; `'malformed'`: one that cannot be read
 */
export function parseSecurityMessage(functionName: string, message: ByteText): Intent | 'malformed' | null {
  if (!OPENINGS.test(message)) return null;
  const driver = functionName.includes('SELinux') ? 'selinux' : 'dac';
  for (const { pattern, intent } of FORMS) {
    const match = pattern.exec(message);
    if (match) return { ...NO_INTENT, ...intent((n) => match[n] ?? '', driver) };
  }
  return 'malformed';
}

/** -1, printed as %ld or %u, leaves that part of the owner alone. */
function owner(uid: string, gid: string): Pick<Intent, 'asked_uid' | 'asked_gid'> {
  return { asked_uid: id(uid), asked_gid: id(gid) };
}

function id(text: string): number | null {
  const value = Number(text);
  return value >= 0 && value < 0xffff_ffff ? value : null;
}
