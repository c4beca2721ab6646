import type { Configuration } from '../../config/schema.js';
import type { ByteText } from '../../domain/byte-text.js';
import type { AuditStatus, Mount } from '../../events/event.js';
import type { AuditRule } from '../host/audit-rules.js';
import type { ClockState } from '../host/clock-state.js';

/** Something that was asked for, or in words why it is not known. */
export type Known<T> = { value: T } | { unknown: string };

/** What a host is like that may be collected from. */
export interface Condition {
  configuration: Configuration;
  /** what the configuration itself warns of */
  warnings: readonly string[];
  node: string;
  audit: {
    /** the end of the log; null when it is standard input */
    log: Known<ByteText[]> | null;
    /** auditd.conf, by key in lower case */
    settings: Known<ReadonlyMap<string, string>>;
    status: Known<AuditStatus>;
    rules: Known<AuditRule[]>;
  };
  /** when the daemons of this host started, in ticks since boot, by name */
  daemons: ReadonlyMap<string, number>;
  mounts: Known<Mount[]>;
  /** null where libvirt is not followed */
  libvirt: {
    version: Known<string>;
    /** over a connection that may write */
    monitor: Known<true>;
    /** audit_level of the daemon's configuration; null where it says nothing */
    auditLevel: Known<number | null>;
    /** directories that hold images of guests */
    imageDirectories: readonly string[];
  } | null;
  selinux: { mode: Known<'disabled' | 'permissive' | 'enforcing'>; modules: Known<string[]> };
  data: Known<{ free_bytes: number }>;
  clock: ClockState | null;
}

/** One thing that was looked at. */
export interface Item {
  /** stable, for programs */
  id: string;
  /**
   * `missing` costs verdicts; `weak` may cost some, some day; `unknown` could not be looked at, mostly for want of
   * permission
   */
  state: 'well' | 'weak' | 'missing' | 'unknown';
  /** what was looked at, and how it is */
  title: string;
  found: string;
  /** which verdicts become undetermined; null when all is well */
  costs: string | null;
  mend: string | null;
}

export function well(id: string, title: string, found: string): Item {
  return { id, state: 'well', title, found, costs: null, mend: null };
}

/** @param about its id and title */
export function notWell(
  state: 'weak' | 'missing',
  about: { id: string; title: string },
  found: string,
  costs: string,
  mend: string,
): Item {
  return { ...about, state, found, costs, mend };
}

export function unknown(id: string, title: string, found: string, mend: string): Item {
  return { id, state: 'unknown', title, found, costs: 'not known', mend };
}
