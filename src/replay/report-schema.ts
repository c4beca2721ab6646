import { z } from 'zod';
import { CAUSES, PROOFS, type Proof, REASONS, type Reason } from '../domain/verdict.js';
import type { ReportJson } from './report-json.js';

/**
 * The contract of `replay --format json`. docs/reference/replay.schema.json is this as JSON Schema; a test keeps
 * both equal, and the compiler keeps this equal to `Report`.
 */

const time = z.iso
  .datetime({ precision: 6 })
  .describe('RFC 3339, UTC, microseconds, on the clock of the host it belongs to');
const text = z.string().describe('text as logged; bytes that are not UTF-8 stand as U+DC80 to U+DCFF');
const proofs = z.array(z.enum(Object.keys(PROOFS) as [Proof, ...Proof[]]));
const verdict = z.enum(['violation', 'clean', 'undetermined']);

const guest = z.object({ uuid: z.string().nullable(), name: text.nullable() });

const label = z.object({
  uid: z.int().nullable(),
  gid: z.int().nullable(),
  mode: z.int().nullable(),
  context: text.nullable(),
});

const image = z.object({
  path: text.nullable(),
  storage: z.string().nullable().describe('server:/export, host:device …; null when unknown'),
  inode: z.string().nullable().describe('decimal; text because it has up to 64 bits'),
});

const missing = z.array(
  z.object({
    what: z.enum([
      'audit-records',
      'guest-state',
      'label-needed',
      'label-asked',
      'image-list',
      'mounts',
      'file-identity',
      'order',
      'peer-host',
      'expired-records',
    ]),
    host: z.string().nullable(),
    text: z.string(),
  }),
);

const host = z.object({
  host: z.string(),
  events: z.int(),
  first: time.nullable(),
  last: time.nullable(),
  gaps: z.array(
    z.object({
      stream: z.string(),
      kind: z.string(),
      from: time.nullable(),
      to: time.nullable(),
      lost: z.int().nullable(),
      text: z.string(),
    }),
  ),
});

const migration = z.object({
  id: z.string(),
  guest,
  kind: z.enum(['live', 'post-copy', 'paused', 'offline', 'unknown']),
  from: z.string().nullable(),
  to: z.string().nullable(),
  began: time.nullable(),
  ended: time.nullable(),
  outcome: z.enum(['succeeded', 'failed', 'unknown']),
  owner_after: z.string().nullable(),
  certainty: z.enum(['proven', 'by-clocks', 'inferred']),
  text: z.string(),
});

const relabel = z.object({
  id: z.string(),
  host: z.string(),
  at: time,
  serial: z.int().describe('audit serial: the order of calls on one host'),
  call: z.string(),
  success: z.boolean().nullable(),
  guest: guest.nullable(),
  image,
  before: label
    .nullable()
    .describe('as the calling host saw it; stale on NFS, so it describes and never acquits'),
  after: label.nullable(),
  effect: z.enum(['changed', 'unchanged', 'failed', 'unknown']),
  owner: z.string().nullable(),
  verdict,
  reason: z.enum(Object.keys(REASONS) as [Reason, ...Reason[]]),
  proof: proofs,
  missing,
  actor: z.object({
    exe: text.nullable(),
    comm: text.nullable(),
    pid: z.int().nullable(),
    auid: z.int().nullable(),
  }),
});

const finding = z.object({
  id: z.string(),
  kind: z.enum(['relabel', 'suspected-relabel', 'unrecognised-storage']),
  cause: z.enum(CAUSES),
  severity: z.enum(['critical', 'warning', 'info']),
  state: z.enum(['open', 'resolved']),
  guest,
  host: z.string(),
  owner: z.string().nullable(),
  migration: z.string().nullable(),
  images: z.array(image),
  opened: time,
  resolved: time.nullable(),
  exposure_ms: z.number().nullable(),
  impact: z.object({
    access: z.enum(['lost', 'read-only', 'kept', 'lost-on-refresh', 'unknown']),
    io_errors: z.int(),
    first_io_error: time.nullable(),
    paused: z.boolean(),
    text: z.string(),
  }),
  relabels: z.array(z.string()),
  summary: z.string(),
  explanation: z.string(),
  remedy: z.object({
    commands: z.array(z.object({ host: z.string(), command: z.string() })),
    prevention: z.string(),
  }),
  verdict,
  proof: proofs,
  missing,
  revision: z.int(),
});

const timelineEntry = z.object({
  at: time,
  host: z.string(),
  guest: guest.nullable(),
  kind: z.string(),
  text: z.string(),
  event: z.string(),
  witness: z.array(text).describe('the raw lines, verbatim'),
});

export const reportSchema = z.object({
  hosts: z.array(host),
  migrations: z.array(migration),
  relabels: z.array(relabel),
  findings: z.array(finding),
  timeline: z.array(timelineEntry),
}) satisfies z.ZodType<ReportJson>;

/** The contract as JSON Schema 2020-12. */
export function reportJsonSchema(): object {
  return {
    title: 'Output of migration-audit replay --format json',
    ...z.toJSONSchema(reportSchema),
  };
}
