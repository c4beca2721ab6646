import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditOptions } from '../../services/hypervisor/audit-daemon.js';
import { type Call, Caller, type Outcome } from '../../services/hypervisor/caller.js';
import { Guest } from '../../services/hypervisor/guests.js';
import { Hypervisor } from '../../services/hypervisor.js';

const VIRSH_LOG = '/var/log/libvirt/virsh-event.log';

/** A call that was made, what it did, and whether auditd was there to write it down. */
export type MadeCall = Call & Outcome & { recorded: boolean };

interface Turn {
  guest: Guest;
  to: 'booted' | 'restored' | 'destroyed' | 'saved';
  recorded: boolean;
}

/**
 * A hypervisor on which things are done one after the other, and the truth about them: every call that was made, what
 * it did to the file, and which guests ran meanwhile. Marks in the audit log part the times in which others ran.
 */
export class Stage {
  readonly hypervisor: Hypervisor;
  readonly caller: Caller;
  readonly guests: Guest[] = [];
  /** calls of the caller, in their order */
  readonly made: MadeCall[] = [];
  /** how guests began and ended, in their order, as libvirt's audit records call it */
  readonly turns: Turn[] = [];
  /** by phase: UUIDs of the guests that ran in it */
  readonly running: ReadonlySet<string>[] = [new Set()];

  private isRecording = true;

  private constructor(hypervisor: Hypervisor) {
    this.hypervisor = hypervisor;
    this.caller = new Caller(hypervisor.enclosure);
  }

  static async set(options: AuditOptions): Promise<Stage> {
    const hypervisor = await Hypervisor.start(options);
    await hypervisor.libvirt.listen(VIRSH_LOG);
    return new Stage(hypervisor);
  }

  async define(name: string, images: readonly string[], uuid?: string): Promise<Guest> {
    const guest = await Guest.define(this.hypervisor, name, images, uuid);
    this.guests.push(guest);
    return guest;
  }

  /** libvirt labels the images before the guest runs. */
  async start(guest: Guest): Promise<void> {
    await guest.start();
    await this.turn(guest, 'booted');
  }

  /** libvirt takes the labels away before it says that the guest has ended: until then it is the guest's host. */
  async destroy(guest: Guest): Promise<void> {
    await guest.destroy();
    await this.turn(guest, 'destroyed');
  }

  async save(guest: Guest, file: string): Promise<void> {
    await guest.virsh('save', '--file', file);
    await this.turn(guest, 'saved');
  }

  async restore(guest: Guest, file: string): Promise<void> {
    await this.hypervisor.libvirt.virsh('restore', file);
    await this.turn(guest, 'restored');
  }

  async make(...calls: Call[]): Promise<void> {
    for (const call of calls)
      this.made.push({ ...call, ...(await this.caller.make(call)), recorded: this.isRecording });
  }

  /** Fills the log with `calls` events of nobody's image. */
  async fill(calls: number): Promise<void> {
    await this.hypervisor.enclosure.run('touch', FILLER);
    await this.make({ call: 'chown', path: FILLER, uid: 1, gid: 1, times: calls });
  }

  /** What is done meanwhile goes by without auditd. */
  async withoutAuditd(act: () => Promise<void>): Promise<void> {
    // what auditd has not taken from the kernel when it is told to end is lost, too
    await this.hypervisor.audit.settle();
    await this.hypervisor.audit.stop();
    this.isRecording = false;
    await act();
    await this.hypervisor.audit.start();
    this.isRecording = true;
    await this.mark();
  }

  async restartLibvirt(signal: 'SIGTERM' | 'SIGKILL', meanwhile = async () => {}): Promise<void> {
    const { libvirt } = this.hypervisor;
    await libvirt.stop(signal);
    await meanwhile();
    await libvirt.start();
    await libvirt.listen(VIRSH_LOG);
  }

  /** Copies the logs and facts of this host into `capture`/`host`, as a person would collect them. */
  async capture(capture: string, host: string): Promise<string> {
    const { enclosure, audit, libvirt } = this.hypervisor;
    await audit.settle();
    const directory = join(capture, host);
    mkdirSync(directory, { recursive: true });
    const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
    cpSync(enclosure.path('/var/log/audit'), directory, { recursive: true });
    cpSync(enclosure.path(VIRSH_LOG), join(directory, 'virsh-event.log'));
    for (const name of readdirSync(enclosure.path('/var/log/libvirt/qemu')))
      cpSync(enclosure.path(`/var/log/libvirt/qemu/${name}`), join(directory, `qemu-${name}`));
    write('mountinfo', await enclosure.run('cat', '/proc/self/mountinfo'));
    write('auditctl-s', await enclosure.run('auditctl', '-s'));
    write('auditctl-l', await enclosure.run('auditctl', '-l'));
    write('capabilities.xml', await libvirt.virsh('capabilities'));
    cpSync('/etc/passwd', join(directory, 'passwd'));
    for (const guest of this.guests) write(`domain-${guest.uuid}.xml`, await guest.xml());
    write('t1', `${Date.now() / 1000}\n`);
    return directory;
  }

  async close(): Promise<void> {
    await this.hypervisor.stop();
  }

  private async turn(guest: Guest, to: Turn['to']): Promise<void> {
    this.turns.push({ guest, to, recorded: this.isRecording });
    const others = [...(this.running.at(-1) as ReadonlySet<string>)].filter((uuid) => uuid !== guest.uuid);
    this.running.push(new Set(to === 'booted' || to === 'restored' ? [...others, guest.uuid] : others));
    await this.mark();
  }

  private mark(): Promise<void> {
    return this.hypervisor.audit.mark(`phase-${this.running.length - 1}`);
  }
}

/** Nobody's image. */
const FILLER = '/var/lib/libvirt/images/filler';
