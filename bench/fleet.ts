import { bytesOf } from '../src/domain/byte-text.js';
import type { Event } from '../src/events/event.js';
import { auditEventId, contentEventId } from '../src/events/identity.js';
import { TRUE_CLOCK } from '../src/sim/clock.js';
import type { ClusterPlan, HostPlan, Step } from '../src/sim/plan.js';
import { Random } from '../src/sim/random.js';
import { simulate } from '../src/sim/simulate.js';
import { auditLines } from '../src/sim/witness.js';

/**
 * The events of many guests on a few hosts. The simulator plays some lives of one guest; every guest then lives one
 * of them under a name, UUID, files and inodes of its own, at a time of its own, its events laid between those of
 * all others with serials that grow as a kernel's do.
 */
export interface Fleet {
  /** in the order in which they happened */
  events: Event[];
  guests: number;
}

const UUID = '7e570000-0000-4000-8000-000000000001';
const NAME = 'template';
const FILE = `${NAME}.raw`;
const HYPERVISORS = ['hosta', 'hostb', 'hostc', 'hostd'];
/** a new life begins somewhere in the fleet this often */
const BIRTHS_EVERY_US = 700_000;
const HEARTBEAT_US = 60_000_000;
const US_PER_MS = 1000;

const LIVES: readonly Step[][] = [
  [{ do: 'start', guest: UUID }, minutes(30), { do: 'shutdown', guest: UUID }],
  [
    { do: 'start', guest: UUID },
    minutes(5),
    { do: 'migrate', guest: UUID, to: 'hostb', course: 'ok' },
    minutes(20),
  ],
  [
    { do: 'start', guest: UUID },
    minutes(3),
    { do: 'migrate', guest: UUID, to: 'hostc', course: 'ok' },
    minutes(9),
    { do: 'migrate', guest: UUID, to: 'hosta', course: 'ok' },
    minutes(4),
    { do: 'shutdown', guest: UUID },
  ],
  [
    { do: 'start', guest: UUID },
    minutes(2),
    { do: 'migrate', guest: UUID, to: 'hostd', course: 'aborted-before-switchover' },
    minutes(8),
    { do: 'destroy', guest: UUID },
  ],
];

function minutes(count: number): Step {
  return { do: 'wait', ms: count * 60_000 };
}

/** One event of a life: its body and witness as text in which the template's names stand. */
interface Deed {
  /** µs since the life began */
  after_us: number;
  event: Event;
  body: string;
  witness: string;
}

interface Moment {
  at_us: number;
  guest: number;
  deed: Deed;
}

/** @param guests how many live, each once: 20 events on average */
export function fleetOf(guests: number): Fleet {
  const lives = LIVES.map(deedsOf);
  const moments: Moment[] = [];
  for (let guest = 0; guest < guests; guest++) {
    const began_us = BEGAN_US + guest * BIRTHS_EVERY_US;
    for (const deed of lives[guest % lives.length] as Deed[])
      moments.push({ at_us: began_us + deed.after_us, guest, deed });
  }
  moments.sort((a, b) => a.at_us - b.at_us);
  const writer = new Writer();
  const events = hostFacts();
  let heartbeat_us = BEGAN_US + HEARTBEAT_US;
  for (const moment of moments) {
    for (; heartbeat_us < moment.at_us; heartbeat_us += HEARTBEAT_US)
      events.push(...heartbeats(heartbeat_us));
    events.push(writer.eventOf(moment));
  }
  events.push(...heartbeats(heartbeat_us));
  return { events, guests };
}

const BEGAN_US = 1_795_392_000_000_000;

/** Of a hundred events one arrives up to ten minutes after its time, as after a collector's pause. */
export function withLateEvents(events: readonly Event[]): Event[] {
  const random = new Random(1);
  return events
    .map((event) => ({
      event,
      arrives_us: event.at + (random.chance(0.01) ? random.between(1, 600) * 1e6 : 0),
    }))
    .sort((a, b) => a.arrives_us - b.arrives_us)
    .map(({ event }) => event);
}

class Writer {
  readonly #serials = new Map<string, number>();
  readonly #sequences = new Map<string, number>();

  eventOf({ at_us, guest, deed }: Moment): Event {
    const { event } = deed;
    const at = at_us - (at_us % US_PER_MS);
    const sequence = next(this.#sequences, `${event.host}/${event.stream}`);
    const body = JSON.parse(named(deed.body, guest)) as Record<string, unknown>;
    let witness: Buffer;
    let id: string;
    if (event.stream === 'audit') {
      const serial = next(this.#serials, event.host);
      body['serial'] = serial;
      witness = restamped(named(deed.witness, guest), at, serial);
      id = auditEventId(event.host, null, at / US_PER_MS, serial);
    } else {
      witness = bytesOf(redated(named(deed.witness, guest), at));
      id = contentEventId(event.host, null, event.stream, at, witness, 0);
    }
    return { ...event, at, sequence, id, witness, body } as unknown as Event;
  }
}

function next(counters: Map<string, number>, key: string): number {
  const value = (counters.get(key) ?? 0) + 1;
  counters.set(key, value);
  return value;
}

/** The guest's own name, UUID and inodes in place of the template's. */
function named(text: string, guest: number): string {
  return text
    .replaceAll(UUID, `7e570000-0000-4000-8000-${String(guest).padStart(12, '0')}`)
    .replaceAll(NAME, `vm${guest}`)
    .replace(
      /(inode(?:=|":"))(\d+)/g,
      (_, before, inode) => before + (Number(inode) + guest * INODES_PER_GUEST),
    );
}

const INODES_PER_GUEST = 1000;

const RECORD = /^type=(\w+) msg=audit\([^)]*\): (.*)$/;

function restamped(witness: string, at_us: number, serial: number): Buffer {
  const records = witness.split('\n').map((line) => {
    const [, type, body] = RECORD.exec(line) as RegExpExecArray;
    return [type, body] as [string, string];
  });
  return auditLines(at_us, serial, records);
}

/** virsh begins its lines with 23 characters of local time. */
function redated(witness: string, at_us: number): string {
  return new Date(at_us / US_PER_MS).toISOString().replace('T', ' ').slice(0, 23) + witness.slice(23);
}

function played(script: Step[]): Event[] {
  return simulate({ seed: 1, clusters: [clusterFor(script)] }).transcript.map(({ event }) => event);
}

function deedsOf(script: Step[]): Deed[] {
  const events = played(script).filter(
    ({ stream }) => stream === 'audit' || stream === 'virsh-event' || stream === 'qemu-monitor-event',
  );
  const began_us = events[0]?.at ?? 0;
  return events.map((event) => ({
    after_us: event.at - began_us,
    event,
    body: JSON.stringify(event.body),
    witness: event.witness.toString(),
  }));
}

function hostFacts(): Event[] {
  return played([minutes(1)]).filter(({ kind }) => kind === 'HostFactsRead');
}

function heartbeats(at_us: number): Event[] {
  return [...HYPERVISORS, 'nfs1'].map((host) => ({
    cluster: 'fleet',
    host,
    boot: null,
    stream: 'collector',
    sequence: at_us,
    at: at_us,
    id: contentEventId(host, null, 'collector', at_us, Buffer.from('heartbeat'), 0),
    witness: Buffer.alloc(0),
    kind: 'Heartbeat',
    body: {
      streams: [
        { stream: 'audit', at: at_us },
        { stream: 'virsh-event', at: at_us },
      ],
      clock_offset_us: null,
      clock_uncertainty_us: null,
    },
  }));
}

function clusterFor(script: Step[]): ClusterPlan {
  const storage = {
    name: 'nfs',
    fs_type: 'nfs4' as const,
    source: 'nfs1:/srv/images',
    mount_point: '/var/lib/libvirt/images/nfs',
    server: { host: 'nfs1', path: '/srv/images', root_squash: false },
    labelled: false,
    attribute_cache_ms: 3000,
  };
  const disk = { target: 'vda', storage: 'nfs', chain: [FILE], read_only: false, shareable: false };
  return {
    name: 'fleet',
    hosts: [...HYPERVISORS.map((name) => hostPlan(name, 'hypervisor')), hostPlan('nfs1', 'nfs-server')],
    storage: [storage],
    guests: [{ name: NAME, uuid: UUID, disks: [disk], runs_on: null, defined_on: 'hosta' }],
    scripts: [script],
  };
}

function hostPlan(name: string, role: HostPlan['role']): HostPlan {
  return {
    name,
    role,
    clock: TRUE_CLOCK,
    qemu_uid: 64055,
    qemu_gid: 64055,
    selinux: 'disabled',
    logs_relabel_avc: false,
    shared_filesystems: [],
    streams: ['audit', 'virsh-event', 'qemu-monitor-event', 'host-facts', 'collector'],
    knows_boot: false,
    facts_at: 'begin',
    guests_listed_at: 'never',
  };
}
