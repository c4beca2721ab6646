import type { AssignedImage, Event, GuestName } from '../../events/event.js';
import { collectImages } from './domain-images.js';
import type { Snapshot } from './snapshot.js';
import { parseXml, type XmlElement } from './xml.js';

/**
 * `virsh dumpxml NAME`: the guest's images with their backing chains, and the labels it runs under. A domain that
 * runs has an `id` and every chain to its end; one that does not may leave chains open.
 *
 * @throws MigrationAuditError MA_UNREADABLE
 */
export function readDomainXml(snapshot: Snapshot): Event[] {
  const domain = parseXml(snapshot.bytes, 'domain', snapshot.origin.file);
  const guest: GuestName = {
    uuid: domain.child('uuid')?.content?.trim().toLowerCase() ?? null,
    name: domain.child('name')?.content ?? null,
  };
  const { images, chainsEnd } = collectImages(domain);
  const withLabels = applyGuestWideRelabel(images, domain);
  // a volume of a pool is a file of which the definition does not say where it lies
  const hasUnnamedFile = images.some(({ source, path }) => source === 'volume' && path === null);
  return [
    snapshot.event('ImageAssigned', {
      serial: null,
      source: 'domain-xml',
      guest,
      reason: 'snapshot-of-state',
      complete: (domain.attribute('id') !== null || chainsEnd) && !hasUnnamedFile,
      images: withLabels,
      replaces: null,
    }),
    ...labelEvents(snapshot, guest, domain),
  ];
}

/** libvirt knows selinux, apparmor and dac; ten times as many is no definition of libvirt's. */
const MAX_SECLABELS = 30;

function labelEvents(snapshot: Snapshot, guest: GuestName, domain: XmlElement): Event[] {
  const events: Event[] = [];
  for (const [i, seclabel] of domain.children('seclabel').slice(0, MAX_SECLABELS).entries()) {
    const process_label = seclabel.child('label')?.content ?? null;
    const image_label = seclabel.child('imagelabel')?.content ?? null;
    if (process_label === null && image_label === null) continue;
    const model = seclabel.attribute('model') ?? 'unknown';
    const body = { serial: null, source: 'domain-xml' as const, guest, model, process_label, image_label };
    events.push(snapshot.event('GuestLabelAssigned', body, `label${i}`));
  }
  return events;
}

/** A guest's own `<seclabel relabel='no'>` holds for every image that says nothing else. */
function applyGuestWideRelabel(images: AssignedImage[], domain: XmlElement): AssignedImage[] {
  const untouched = new Set<string | null>();
  for (const seclabel of domain.children('seclabel')) {
    if (seclabel.attribute('relabel') === 'no' || seclabel.attribute('type') === 'none') {
      untouched.add(seclabel.attribute('model'));
    }
  }
  const guestWide = (model: string) => (untouched.has(model) || untouched.has(null) ? false : null);
  return images.map((image) => ({
    ...image,
    relabel_dac: image.relabel_dac ?? guestWide('dac'),
    relabel_selinux: image.relabel_selinux ?? guestWide('selinux'),
  }));
}
