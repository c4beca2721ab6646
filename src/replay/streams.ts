import { AuditReader } from '../collect/audit/reader.js';
import { DaemonLogReader } from '../collect/libvirt/daemon-log.js';
import { GuestLogReader } from '../collect/libvirt/guest-log.js';
import { MonitorEventReader } from '../collect/libvirt/monitor-event.js';
import { VirshEventReader } from '../collect/libvirt/virsh-event.js';
import { guestOfLog } from '../collect/tail/rotated-names.js';
import type { Stream } from '../events/event.js';
import type { EventSink, Origin, Reader } from '../events/origin.js';
import type { StreamRole } from './source-files.js';
import type { StreamSource } from './sources.js';

/** The reader for a stream of one host. */
export function readerFor({ role }: StreamSource, origin: Origin, sink: EventSink): Reader {
  switch (role) {
    case 'audit':
    case 'audit-plugin':
      return new AuditReader(origin, sink);
    case 'virsh-event':
      return new VirshEventReader(origin, sink);
    case 'qemu-monitor-event':
      return new MonitorEventReader(origin, sink);
    case 'daemon-log':
      return new DaemonLogReader(origin, sink);
    case 'guest-log':
      return new GuestLogReader(origin, sink, guestOfLog(origin.file));
  }
}

/** The stream whose events a file of this role holds. */
export function streamOf(role: StreamRole): Stream {
  return role === 'audit-plugin' ? 'audit' : role;
}
