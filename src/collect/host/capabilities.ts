import type { SecurityModel } from '../../events/event.js';
import type { ReadFacts } from './snapshot.js';
import { parseXml } from './xml.js';

/**
 * `virsh capabilities`: the host's UUID and, for each security model, the label that guests get by default
 * (`<baselabel type='kvm'>+64055:+64055</baselabel>`: numeric, whatever names qemu.conf uses).
 *
 * @throws MigrationAuditError MA_UNREADABLE
 */
export function readCapabilities(bytes: Buffer, file: string): ReadFacts {
  const host = parseXml(bytes, 'capabilities', file).child('host');
  const models: SecurityModel[] = (host?.children('secmodel') ?? []).map((model) => ({
    model: model.child('model')?.content ?? '',
    doi: model.child('doi')?.content ?? '',
    base_labels: model.children('baselabel').map((label) => ({
      type: label.attribute('type') ?? '',
      label: label.content ?? '',
    })),
  }));
  return {
    facts: {
      host_uuid: host?.child('uuid')?.content ?? null,
      security_models: models.length > 0 ? models : null,
    },
    unread: [],
  };
}
