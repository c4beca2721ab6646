import { type ByteText, printable } from '../domain/byte-text.js';
import type { FindingReport } from '../domain/report.js';
import type { Cause, MissingEvidence } from '../domain/verdict.js';
import type { EventOf } from '../events/event.js';
import { EXPLANATIONS, PREVENTIONS } from './causes.js';
import type { GuestView } from './guest-view.js';
import type { HostRecord } from './host-record.js';
import type { ImageUse } from './images.js';
import { impactText } from './impact.js';
import type { Incarnation } from './incarnation.js';
import { needOf } from './need.js';
import { stableId } from './stable-id.js';
import { isWithin, type StorageMap } from './storage.js';
import { askedText, guestText } from './wording.js';

/**
 * A guest lost its image and no recorded call explains it. Where records are missing that is a finding in itself:
 * it says what libvirt announced, what is missing and what would settle it; it accuses nobody.
 */
export function suspicions(
  view: GuestView,
  found: readonly FindingReport[],
  records: ReadonlyMap<string, HostRecord>,
  storages: StorageMap,
  unproven: readonly Announcement[],
): FindingReport[] {
  const findings: FindingReport[] = [];
  for (const owner of owningHosts(view)) {
    const ownerRecord = records.get(owner.host) as HostRecord;
    const suffering = view.suffering.get(owner.host);
    const announced = announcements(view, owner, records, storages, unproven);
    const denied = suffering?.denied ?? [];
    if (denied.length === 0 && announced.length === 0) continue;
    const explains = (each: FindingReport) => each.impact.access !== 'kept' && each.impact.io_errors > 0;
    if (found.some((each) => mayHurt(each, owner.host, view) && (denied.length === 0 || explains(each))))
      continue;
    const first = announced[0];
    const host = first?.host ?? owner.host;
    const cause: Cause = first ? announcedCause(first) : 'records-lost';
    const opened = first?.at ?? denied[0]?.at ?? ownerRecord.began_us;
    const refused = `${denied.length} I/O error${denied.length === 1 ? '' : 's'} of ${guestText(view.ref)} on ${owner.host} say that access was refused`;
    const said = first
      ? `libvirt on ${host} announced to set ${printable(first.body.path ?? '', 160)} to ${askedText(first.body, 'its default label')}`
      : 'no recorded call explains it';
    findings.push({
      id: stableId('F', view.key, 'suspected', cause, host, owner.host),
      kind: 'suspected-relabel',
      cause,
      severity: 'warning',
      state: 'open',
      guest: view.ref,
      host,
      owner: owner.host,
      migration: view.migrations.find(({ report }) => report.to === host)?.report.id ?? null,
      images: first ? [{ path: first.body.path, storage: null, inode: null }] : [],
      opened_us: opened,
      resolved_us: null,
      exposure_ms: null,
      impact: {
        access: 'unknown',
        io_errors: denied.length,
        first_io_error_us: denied[0]?.at ?? null,
        paused: suffering?.paused ?? false,
        text: impactText('unknown', denied.length, suffering?.paused ?? false, view.ref, owner.host),
      },
      relabels: [],
      summary:
        denied.length > 0 ? `${refused}; ${said}` : `${said}, and the record of the call itself is missing`,
      explanation: first ? EXPLANATIONS[cause] : EXPLANATIONS['records-lost'],
      remedy: { commands: [], prevention: PREVENTIONS[first ? cause : 'records-lost'] },
      verdict: 'undetermined',
      proof: [],
      missing: missingRecords(records),
      revision: 1,
    });
  }
  return findings;
}

/** The finding is about this host's guest, or about that of one of several hosts of which this is one. */
function mayHurt({ owner, relabels }: FindingReport, host: string, view: GuestView): boolean {
  if (owner !== null) return owner === host;
  return view.judgements.some(
    ({ call, owners }) => relabels.includes(call.event.id) && owners.some((each) => each.host === host),
  );
}

function owningHosts(view: GuestView): Incarnation[] {
  const byHost = new Map<string, Incarnation>();
  for (const incarnation of view.custody.allIncarnations) {
    if (incarnation.owns !== null) byHost.set(incarnation.host, incarnation);
  }
  return [...byHost.values()];
}

/**
 * What the security driver said it would do to a file, where the audit log cannot show whether it did. Where that log is
 * whole, silence is an answer: the line is printed even when no call follows.
 */
export interface Announcement {
  event: EventOf<'RelabelIntended'>;
  record: HostRecord;
  position: number;
}

/** Those of a host that did not own the guest, on one of its images, that ask for other than what the owner needs. */
function announcements(
  view: GuestView,
  owner: Incarnation,
  records: ReadonlyMap<string, HostRecord>,
  storages: StorageMap,
  unproven: readonly Announcement[],
): EventOf<'RelabelIntended'>[] {
  const need = needOf(owner, records.get(owner.host) as HostRecord);
  const found: EventOf<'RelabelIntended'>[] = [];
  for (const { event, record, position } of unproven) {
    if (record.host === owner.host) continue;
    if (view.custody.allIncarnations.length === 0) continue;
    if (!isImagePath(view.images, event.body.path as ByteText, record.host, storages)) continue;
    const custody = view.custody.at(record.host, position, true);
    if (custody.kind === 'this-host' || custody.kind === 'nobody') continue;
    const { asked_uid: uid, asked_gid: gid, asked_context: context } = event.body;
    const owners = uid !== null && need.owner !== null && (uid !== need.owner.uid || gid !== need.owner.gid);
    const contexts = context !== null && need.context !== null && context !== need.context;
    if (owners || contexts) found.push(event);
  }
  // an owner that is refused at once explains more than a context that is looked at later
  return found.sort((a, b) => Number(a.body.model === 'selinux') - Number(b.body.model === 'selinux'));
}

/** Can a path on a host be a name of one of the images? */
export function isImagePath(
  images: readonly ImageUse[],
  path: ByteText,
  host: string,
  storages: StorageMap,
): boolean {
  const here = storages.locate(host, path, null);
  return images.some((use) => {
    if (use.path === path) return here.storage?.shared !== false;
    const there = storages.locate(use.host, use.path, null);
    return (
      here.storagePath !== null &&
      there.storagePath === here.storagePath &&
      there.storage?.pathSpace === here.storage?.pathSpace
    );
  });
}

function announcedCause(event: EventOf<'RelabelIntended'>): Cause {
  if (event.body.operation === 'restore') return 'destination-cleanup-after-failure';
  return event.body.model === 'selinux' ? 'destination-own-categories' : 'destination-config-mismatch';
}

/** Which audit logs have holes, and what would settle the question. */
function missingRecords(records: ReadonlyMap<string, HostRecord>): MissingEvidence[] {
  const missing: MissingEvidence[] = [];
  for (const record of records.values()) {
    const lost = record.gaps.list.filter((gap) => gap.stream === 'audit' && gap.kind === 'audit-lost');
    const count = lost.reduce((sum, gap) => sum + (gap.lost ?? 0), 0);
    if (lost.length > 0) {
      missing.push({
        what: 'audit-records',
        host: record.host,
        text: `${count} audit records that the kernel of ${record.host} dropped: relabels may be among them; the owner and label of the image now (ls -lnZ on the file server) and libvirt’s own journal settle it`,
      });
    } else if (!record.streams.has('audit')) {
      missing.push({
        what: 'audit-records',
        host: record.host,
        text: `the audit log of ${record.host}: without it no relabel made there can be seen`,
      });
    }
  }
  return missing;
}

/** Shared storage that libvirt would take for local: a hazard before anything has happened. */
export function unrecognisedStorage(
  view: GuestView,
  records: ReadonlyMap<string, HostRecord>,
  storages: StorageMap,
): FindingReport[] {
  const findings: FindingReport[] = [];
  for (const record of records.values()) {
    if (!record.facts.hypervisor || !view.custody.incarnationsOf(record.host).length) continue;
    const uses = view.images.filter(
      (use) => use.host === record.host && !use.image.read_only && !use.image.shareable,
    );
    for (const use of uses) {
      const { storage } = storages.locate(record.host, use.path, null);
      if (!storage?.shared || storage.knownToLibvirt !== false || !storage.mount) continue;
      const mountPoint = storage.mount.mount_point;
      const affected = uses.filter((each) => isWithin(each.path, mountPoint));
      findings.push({
        id: stableId('F', view.key, 'unrecognised-storage', record.host, mountPoint),
        kind: 'unrecognised-storage',
        cause: 'shared-storage-unrecognised',
        severity: 'warning',
        state: 'open',
        guest: view.ref,
        host: record.host,
        owner: null,
        migration: null,
        images: [...new Set(affected.map((each) => each.path))].map((path) => ({
          path,
          storage: storage.key,
          inode: null,
        })),
        opened_us: record.began_us,
        resolved_us: null,
        exposure_ms: null,
        impact: {
          access: 'kept',
          io_errors: 0,
          first_io_error_us: null,
          paused: false,
          text: 'none yet: it bites when a migration fails or succeeds',
        },
        relabels: [],
        summary: `libvirt on ${record.host} does not know that ${printable(mountPoint, 160)} (${storage.fsType}) is shared`,
        explanation: EXPLANATIONS['shared-storage-unrecognised'],
        remedy: {
          commands: [],
          prevention: `${PREVENTIONS['shared-storage-unrecognised']}: shared_filesystems = [ "${printable(mountPoint, 160)}" ]`,
        },
        verdict: 'clean',
        proof: [],
        missing: [],
        revision: 1,
      });
      break;
    }
  }
  return findings;
}
