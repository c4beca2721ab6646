import type {
  FindingReport,
  MigrationReport,
  RelabelReport,
  Report,
  TimelineEntry,
} from '../../src/domain/report.js';
import { HOSTILE_NAME } from '../events/sample-events.js';

/** A failed migration of one guest between two hosts, with one bad relabel. Names are as bad as names can be. */

export const T0 = 1_753_000_000_000_000;
const SECOND = 1_000_000;
const guest = { uuid: '8c3b8a5e-6f0e-4c1e-9a3e-2f1d5b7c9e01', name: HOSTILE_NAME };
const image = { path: HOSTILE_NAME, storage: 'nfs1:/srv/images', inode: '18446744073709551615' };

export const RELABEL: RelabelReport = {
  id: `hostb/audit@${HOSTILE_NAME}/1753000010000:55`,
  host: 'hostb',
  at_us: T0 + 10 * SECOND,
  serial: 55,
  call: 'chown',
  success: true,
  guest,
  image,
  before: { uid: 64055, gid: 64055, mode: 0o100600, context: null },
  after: { uid: 0, gid: 0, mode: null, context: HOSTILE_NAME },
  effect: 'changed',
  owner: 'hosta',
  verdict: 'violation',
  reason: 'non-owner-relabel',
  proof: ['P1-failed-incoming'],
  missing: [],
  actor: { exe: HOSTILE_NAME, comm: 'rpc-libvirtd', pid: 4242, auid: 4294967295 },
};

export const MIGRATION: MigrationReport = {
  id: 'migration/1',
  guest,
  kind: 'live',
  from: 'hosta',
  to: 'hostb',
  began_us: T0 + 8 * SECOND,
  ended_us: T0 + 11 * SECOND,
  outcome: 'failed',
  owner_after: 'hosta',
  certainty: 'proven',
  text: 'the destination never ran it',
};

export const FINDING: FindingReport = {
  id: `finding/${HOSTILE_NAME}/1`,
  kind: 'relabel',
  cause: 'destination-cleanup-after-failure',
  severity: 'critical',
  state: 'open',
  guest,
  host: 'hostb',
  owner: 'hosta',
  migration: MIGRATION.id,
  images: [image],
  opened_us: RELABEL.at_us,
  resolved_us: null,
  exposure_ms: null,
  impact: { access: 'lost', io_errors: 3, first_io_error_us: T0 + 12 * SECOND, paused: false, text: 'lost' },
  relabels: [RELABEL.id],
  summary: `hostb took ${HOSTILE_NAME} away`,
  explanation: 'it cleaned up',
  remedy: { commands: [{ host: 'hosta', command: "chown 64055:64055 -- '…'" }], prevention: 'same users' },
  verdict: 'violation',
  proof: ['P1-failed-incoming'],
  missing: [{ what: 'mounts', host: null, text: 'mountinfo of nfs1' }],
  revision: 1,
};

function entry(host: string, seconds: number, event: string, text: string): TimelineEntry {
  return {
    at_us: T0 + seconds * SECOND,
    host,
    guest,
    kind: 'lifecycle',
    text,
    event,
    witness: [HOSTILE_NAME],
  };
}

export const REPORT: Report = {
  hosts: [
    {
      host: 'hosta',
      events: 10,
      first_us: T0,
      last_us: T0 + 60 * SECOND,
      gaps: [{ stream: 'audit', kind: 'audit-lost', from_us: null, to_us: null, lost: null, text: 'lost' }],
    },
    { host: 'hostb', events: 7, first_us: T0, last_us: T0 + 60 * SECOND, gaps: [] },
  ],
  migrations: [MIGRATION],
  relabels: [RELABEL],
  findings: [FINDING],
  timeline: [
    entry('hosta', 1, 'e1', 'b was written first'),
    entry('hosta', 1, 'e0', 'a was written second'),
    entry('hosta', 8, 'e2', 'migration begins'),
    entry('hostb', 10, RELABEL.id, 'relabel'),
    entry('hostb', 10, 'e5', 'and what it means'),
    { ...entry('hosta', 20, 'e3', 'another guest'), guest: { uuid: null, name: 'other' } },
    { ...entry('hosta', 21, 'e4', 'no guest'), guest: null },
  ],
};
