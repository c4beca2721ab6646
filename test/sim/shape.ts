import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from '../../src/events/event.js';

/**
 * The shape of a history: for every host and stream the sequence of what matters to a verdict, without times,
 * numbers and noise. Captures are read here by a few expressions and not by the collector, so that a fault in the
 * collector cannot hide one in the simulator.
 */
export type Shape = Record<string, string[]>;

export function shapeOfEvents(events: readonly Event[]): Shape {
  const shape: Shape = {};
  const ordered = [...events].sort((a, b) => a.sequence - b.sequence);
  for (const event of ordered) {
    const word = wordOf(event);
    if (word !== null) add(shape, event.host, event.stream, word);
  }
  return shape;
}

function wordOf(event: Event): string | null {
  switch (event.kind) {
    case 'GuestStarted':
      return `start ${event.body.reason} ${event.body.success}`;
    case 'GuestStopped':
      return `stop ${event.body.reason}`;
    case 'GuestLabelAssigned':
      return event.stream === 'audit' ? `label ${event.body.model}` : null;
    case 'ImageAssigned':
      return event.stream === 'audit'
        ? `disk ${event.body.reason} ${nameOf(event.body.images[0]?.path)}`
        : null;
    case 'RelabelObserved': {
      const { asked_uid, asked_gid, path, exit, asked_context, attribute } = event.body;
      if (event.body.path_quality === 'absolute' && !path?.includes('/images/')) return null;
      if (attribute === 'security.selinux') return `context ${nameOf(path)} ${exit} ${typeOf(asked_context)}`;
      return asked_uid === null
        ? `xattr ${nameOf(path)}`
        : `owner ${nameOf(path)} ${exit} ${asked_uid}:${asked_gid}`;
    }
    case 'LifecycleChanged':
      return `${event.body.event} ${event.body.detail}`;
    case 'DomainEventSeen':
      return event.body.event === 'control-error' ? event.body.event : null;
    case 'VcpusStopped':
      return 'STOP';
    case 'VcpusResumed':
      return 'RESUME';
    case 'MigrationStatusChanged':
      return event.body.status;
    default:
      return null;
  }
}

export function shapeOfCapture(directory: string): Shape {
  const shape: Shape = {};
  for (const host of ['hosta', 'hostb', 'nfs1']) {
    for (const word of auditWords(linesOf(directory, host, 'audit.log'))) add(shape, host, 'audit', word);
    for (const line of linesOf(directory, host, 'virsh-event.log')) {
      const lifecycle = /event 'lifecycle' for domain '.*?': (.*)/.exec(line)?.[1];
      if (lifecycle !== undefined) add(shape, host, 'virsh-event', lifecycle);
      else if (line.includes("event 'control-error'")) add(shape, host, 'virsh-event', 'control-error');
    }
    for (const line of linesOf(directory, host, 'qemu-monitor-event.log')) {
      const [, name, data] = /event (STOP|RESUME|MIGRATION) for domain '.*?': (.*)/.exec(line) ?? [];
      if (name !== undefined)
        add(shape, host, 'qemu-monitor-event', name === 'MIGRATION' ? statusOf(data ?? '') : name);
    }
  }
  return shape;
}

const LABEL_CALLS = new Map([
  [92, 1],
  [260, 2],
  [188, 0],
  [197, 0],
]);

function auditWords(lines: string[]): string[] {
  const events = new Map<string, string[]>();
  for (const line of lines) {
    const stamp = /msg=audit\(([\d.:]+)\)/.exec(line)?.[1];
    if (stamp !== undefined) events.set(stamp, [...(events.get(stamp) ?? []), line]);
  }
  return [...events.values()].map((records) => auditWord(records.join('\n'))).filter((word) => word !== null);
}

function auditWord(text: string): string | null {
  const field = (name: string) =>
    new RegExp(`[ ']${name}=("[^"]*"|[^ ']*)`).exec(text)?.[1]?.replaceAll('"', '');
  if (text.includes('type=VIRT_MACHINE_ID')) return `label ${field('model')}`;
  if (text.includes('resrc=disk')) return `disk ${field('reason')} ${nameOf(field('new-disk'))}`;
  if (text.includes('type=VIRT_CONTROL')) {
    const end = field('op') === 'start' ? ` ${field('res') === 'success'}` : '';
    return `${field('op')} ${field('reason')}${end}`;
  }
  const path = field('name');
  const firstId = LABEL_CALLS.get(Number(field('syscall')));
  if (firstId === undefined || path === undefined || !isImage(text, path)) return null;
  const exit = Number(field('exit'));
  if (firstId > 0) {
    const [uid, gid] = [firstId, firstId + 1].map((index) => Number.parseInt(field(`a${index}`) ?? '', 16));
    return `owner ${nameOf(path)} ${exit} ${uid}:${gid}`;
  }
  if (field('syscall') === '197' || Number.parseInt(field('a3') ?? '', 16) < 0x1b)
    return `xattr ${nameOf(path)}`;
  const asked = /relabelto .*tcontext=(\S+)/.exec(text)?.[1];
  return `context ${nameOf(path)} ${exit} ${typeOf(asked)}`;
}

function isImage(text: string, path: string): boolean {
  return text.includes('type=PATH') && text.includes('/var/lib/libvirt/images/') && !path.endsWith('/nfs');
}

function statusOf(data: string): string {
  return (JSON.parse(data) as { status: string }).status;
}

function typeOf(context: string | null | undefined): string {
  return context?.split(':')[2] ?? '-';
}

function nameOf(path: string | null | undefined): string {
  return path?.split('/').at(-1) ?? '-';
}

function linesOf(directory: string, host: string, file: string): string[] {
  const path = join(directory, host, file);
  return existsSync(path) ? readFileSync(path, 'latin1').split('\n') : [];
}

function add(shape: Shape, host: string, stream: string, word: string): void {
  const key = `${host} ${stream}`;
  shape[key] = [...(shape[key] ?? []), word];
}
