import type { Configuration } from '../config/schema.js';
import type { Boot } from './host/boot.js';
import { HostFactsSource } from './host/facts-source.js';
import { KernelLossesSource } from './host/kernel-losses.js';
import { hostReadings } from './host/readings.js';
import { EventFollower } from './libvirt/follow-events.js';
import { MonitorEventReader } from './libvirt/monitor-event.js';
import { NameResolver } from './libvirt/resolve-names.js';
import { Virsh } from './libvirt/virsh.js';
import { VirshEventReader } from './libvirt/virsh-event.js';
import { type Clock, HOST_CLOCK } from './process/clock.js';
import type { Source } from './source.js';

export interface HostSourcesOptions {
  cluster: string;
  host: string;
  boot: Boot;
  /** as it stands now: what is applied without a restart is read again each time */
  settings: () => Configuration['collect'];
  clock?: Clock;
  /** stands before the paths of files; `''` on a real host */
  root?: string;
}

export interface HostSources {
  sources: Source[];
  /** null where the configuration says not to ask */
  losses: KernelLossesSource | null;
}

const FACTS_TIMEOUT_MS = 60_000;
const NAMES_TIMEOUT_MS = 10_000;
/** virsh stamps an event when it receives it, and prints it at once. */
const VIRSH_DELAY_US = 1_000_000;
/** QEMU stamps its events itself; libvirtd hands them on. */
const QEMU_DELAY_US = 3_000_000;

/** Everything that a collector asks of the running host: all sources that are no files. */
export function hostSources(options: HostSourcesOptions): HostSources {
  const { cluster, host, boot, settings, clock = HOST_CLOCK, root = '' } = options;
  const { libvirt, audit, kernel_losses } = settings();
  const place = { cluster, host, boot: boot.id, clock };
  const { auditctl } = kernel_losses;
  const ask = { program: libvirt.virsh, uri: libvirt.uri };
  const virsh = libvirt.events ? new Virsh({ ...ask, timeout_ms: FACTS_TIMEOUT_MS }) : null;
  const facts = new HostFactsSource({
    ...place,
    readings: hostReadings({ auditctl, root }),
    virsh,
    every_s: () => settings().facts.every_s,
  });
  const sources: Source[] = [facts];
  const followed = {
    ...place,
    program: libvirt.virsh,
    // an audit log that is read from before this start tells of guests whose events nobody saw
    saysWhatItMissed: audit.from !== 'end',
    onGuestsChanged: () => facts.refresh(),
  };
  const connection = ['-c', libvirt.uri];
  if (virsh !== null)
    sources.push(
      new EventFollower({
        ...followed,
        name: 'virsh-event',
        stream: 'virsh-event',
        args: ['-r', ...connection, 'uri; event --loop --all --timestamp'],
        reader: (origin, sink) => new VirshEventReader(origin, sink),
        // never behind a question that takes libvirt long: events wait for the answer
        names: new NameResolver(new Virsh({ ...ask, timeout_ms: NAMES_TIMEOUT_MS })),
        onFollowed: () => facts.restate(),
        delay_us: VIRSH_DELAY_US,
      }),
    );
  if (virsh !== null && libvirt.monitor_events)
    sources.push(
      new EventFollower({
        ...followed,
        name: 'qemu-monitor-event',
        stream: 'qemu-monitor-event',
        // without --timestamp the time is QEMU's own
        args: [...connection, 'uri; qemu-monitor-event --loop'],
        reader: (origin, sink) => new MonitorEventReader(origin, sink),
        names: null,
        onFollowed: () => facts.refresh(),
        delay_us: QEMU_DELAY_US,
      }),
    );
  const losses =
    auditctl === null
      ? null
      : new KernelLossesSource({
          ...{ cluster, host, boot, auditctl, clock },
          every_s: () => settings().kernel_losses.every_s,
        });
  if (losses !== null) sources.push(losses);
  return { sources, losses };
}
