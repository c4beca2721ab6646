import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Enclosure } from './enclosure.js';
import type { LibvirtDaemon } from './libvirt-daemon.js';

const IMAGE_BYTES = 1024 * 1024;

/** A guest without a system: its firmware looks for one in its empty disks for ever, which is all that it has to do. */
export class Guest {
  readonly name: string;
  readonly uuid: string;
  private readonly enclosure: Enclosure;
  private readonly libvirt: LibvirtDaemon;

  private constructor(enclosure: Enclosure, libvirt: LibvirtDaemon, name: string, uuid: string) {
    this.enclosure = enclosure;
    this.libvirt = libvirt;
    this.name = name;
    this.uuid = uuid;
  }

  /** Defines a guest with one disk for each image, which are made: empty, raw, 1 MiB, root's. */
  static async define(
    { enclosure, libvirt }: { enclosure: Enclosure; libvirt: LibvirtDaemon },
    name: string,
    images: readonly string[],
    uuid: string = randomUUID(),
  ): Promise<Guest> {
    const guest = new Guest(enclosure, libvirt, name, uuid);
    const disks = images.map((path, index) => {
      guest.makeImage(path);
      return diskXml(path, `vd${'abcdefgh'[index]}`, 'virtio');
    });
    await libvirt.virsh('define', guest.write('domain', domainXml(name, guest.uuid, disks)));
    return guest;
  }

  start(): Promise<string> {
    return this.virsh('start');
  }

  destroy(): Promise<string> {
    return this.virsh('destroy');
  }

  /** A command of virsh on this guest. It is named by its UUID: a name may be anything, an option or a number too. */
  virsh(command: string, ...args: string[]): Promise<string> {
    return this.libvirt.virsh(command, '--domain', this.uuid, ...args);
  }

  /** By USB, which needs no answer of a system in the guest to let a disk go again. */
  async attachDisk(path: string, target: string): Promise<void> {
    this.makeImage(path);
    await this.virsh('attach-device', this.write('disk', diskXml(path, target, 'usb')), '--live');
  }

  xml(): Promise<string> {
    return this.virsh('dumpxml');
  }

  private makeImage(path: string): void {
    mkdirSync(dirname(this.enclosure.path(path)), { recursive: true });
    writeFileSync(this.enclosure.path(path), Buffer.alloc(IMAGE_BYTES), { flag: 'wx' });
  }

  /** @returns path inside */
  private write(kind: string, xml: string): string {
    const path = `/run/libvirt/${this.uuid}-${kind}.xml`;
    writeFileSync(this.enclosure.path(path), xml);
    return path;
  }
}

function domainXml(name: string, uuid: string, disks: readonly string[]): string {
  return `<domain type='qemu'>
  <name>${escaped(name)}</name>
  <uuid>${uuid}</uuid>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    ${disks.join('\n    ')}
  </devices>
</domain>
`;
}

function diskXml(path: string, target: string, bus: 'virtio' | 'usb'): string {
  return `<disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='${escaped(path)}'/>
      <target dev='${target}' bus='${bus}'/>
    </disk>`;
}

/** Everything but letters and digits as a reference, so that a newline in an attribute stays one. */
function escaped(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9]/gu, (character) => `&#${character.codePointAt(0)};`);
}
