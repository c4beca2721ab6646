import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from '../../../src/events/event.js';
import { sourcesOfCapture } from '../../../src/replay/capture.js';
import { replay } from '../../../src/replay/replay.js';

/** Real lines of a host whose guest was denied its disk: it ran throughout, and nothing of the why is in them. */
const CAPTURED = new URL('../../golden/captures/s4-mismatch-fail/hosta/', import.meta.url).pathname;
/** The last whole second before the guest's first refused write in these lines. */
const DENIED_AFTER_MS = Date.parse('2026-11-23T01:11:48Z');

const FILES = [
  'audit.log', 'virsh-event.log', 'qemu-monitor-event.log', 'qemu-vm1.log', 'mountinfo', 'qemu.conf', 'capabilities.xml',
  'domain-vm1.xml', 'domstate-vm1', 'id-libvirt-qemu', 'hostname', 'host-uuid', 'kernel-release', 'machine-id', 't0', 't1',
]; // biome-ignore format: a list

export const PLAYED_GUEST = { name: 'vm1', uuid: '7e570000-0000-4000-8000-000000000001' };
/** Name of the guest's image in the storage that both hosts mount. */
export const PLAYED_IMAGE = 'vm1.qcow2';
export const PLAYED_IMAGES = '/var/lib/libvirt/images/nfs';

/**
 * What the captured host tells, had all of it happened such that its guest is denied its disk from `denied_ms` on, and
 * were its images on the storage of that name.
 */
export async function playedHost(
  capture: string,
  host: string,
  { storage, denied_ms }: { storage: string; denied_ms: number },
): Promise<Event[]> {
  mkdirSync(join(capture, host), { recursive: true });
  const shift_s = Math.floor((denied_ms - DENIED_AFTER_MS) / 1000);
  for (const name of FILES) {
    const text = readFileSync(join(CAPTURED, name), 'latin1');
    const played = shifted(text, shift_s).replace(/ - nfs4 nfs1:\/srv\/images /, ` - tmpfs ${storage} `);
    writeFileSync(join(capture, host, name), played, 'latin1');
  }
  const events: Event[] = [];
  const keep = async (some: readonly Event[]) => {
    events.push(...some);
  };
  await replay(await sourcesOfCapture(capture), { cluster: 'lab', onEvents: keep });
  return events;
}

/** Every stamp in the text, later by so much. */
function shifted(text: string, by_s: number): string {
  return text
    .replaceAll(/(?<=msg=audit\(|^)\d{10}(?=\.\d)/gm, (seconds) => String(Number(seconds) + by_s))
    .replaceAll(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?=\.\d{3}\+0000: )/gm, (stamp) =>
      new Date(Date.parse(`${stamp.replace(' ', 'T')}Z`) + by_s * 1000)
        .toISOString()
        .slice(0, 19)
        .replace('T', ' '),
    );
}
