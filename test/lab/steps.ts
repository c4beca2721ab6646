import type { LabDisk, LabFile, LabGuest } from './guest.js';
import type { Lab } from './lab.js';
import type { Caller } from './records.js';

const CHOWN = '/usr/bin/chown';

/** The active image of the first disk. */
export function top(guest: LabGuest): LabFile {
  return guest.disks[0]?.chain[0] as LabFile;
}

export function admin(lab: Lab, host: string, exe = CHOWN): Caller {
  return lab.host(host).command(exe);
}

/** A disk of one file. */
export function disk(file: LabFile, options: Partial<LabDisk> = {}): LabDisk {
  return { chain: [file], shareable: false, read_only: false, ...options };
}

/** The source's QEMU has stopped the guest and the destination's runs it; the source's libvirt has not heard of it. */
export function handOver(lab: Lab, guest: LabGuest, from: string, to: string): void {
  lab.incoming(guest, to);
  lab.copy(guest, from);
  lab.pauseForSwitchOver(guest, from);
  lab.takeOver(guest, from, to);
}
