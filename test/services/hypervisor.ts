import { AuditDaemon, type AuditOptions } from './hypervisor/audit-daemon.js';
import { Enclosure } from './hypervisor/enclosure.js';
import { LibvirtDaemon } from './hypervisor/libvirt-daemon.js';

export const IMAGES = '/var/lib/libvirt/images';
/** A file system of its own, which the tests call shared: its source names it on every host that mounts it. */
export const SHARED_IMAGES = `${IMAGES}/shared`;
export const SHARED_SOURCE = 'shared-images';

/**
 * A whole hypervisor on this machine, of real programs and without systemd: auditd, libvirtd, virtlogd, and the guests
 * that are defined on it. Everything is at its usual path, in a mount namespace of its own.
 */
export class Hypervisor {
  readonly enclosure: Enclosure;
  readonly audit: AuditDaemon;
  readonly libvirt: LibvirtDaemon;

  private constructor(enclosure: Enclosure, audit: AuditDaemon, libvirt: LibvirtDaemon) {
    this.enclosure = enclosure;
    this.audit = audit;
    this.libvirt = libvirt;
  }

  static async start(options: AuditOptions): Promise<Hypervisor> {
    const enclosure = await Enclosure.open();
    try {
      await enclosure.run('mkdir', '-p', SHARED_IMAGES);
      await enclosure.run('mount', '-t', 'tmpfs', '-o', 'size=64m,mode=711', SHARED_SOURCE, SHARED_IMAGES);
      const audit = new AuditDaemon(enclosure, options);
      await audit.start();
      await audit.watch(IMAGES);
      const libvirt = new LibvirtDaemon(enclosure);
      await libvirt.start();
      return new Hypervisor(enclosure, audit, libvirt);
    } catch (error) {
      await enclosure.close();
      throw error;
    }
  }

  /** Ends everything and puts the machine back. @throws Error when that did not succeed */
  stop(): Promise<void> {
    return this.enclosure.close();
  }
}
