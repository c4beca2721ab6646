import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { getOrMake } from '../../../src/domain/group.js';
import type { Report } from '../../../src/domain/report.js';
import { encodeEvent } from '../../../src/events/codec.js';
import type { Event } from '../../../src/events/event.js';
import { sourcesOfCapture } from '../../../src/replay/capture.js';
import { replay } from '../../../src/replay/replay.js';
import type { Random } from '../../../src/sim/random.js';
import { ROOT } from '../../architecture/source-tree.js';

/** The golden captures as a fleet: each is a cluster, and its hosts send what their collectors would. */

const CAPTURES = join(ROOT, 'test/golden/captures');

export interface Arrival {
  cluster: string;
  value: Buffer;
}

export interface Recorded {
  events: Event[];
  /** what replay says of each cluster */
  reports: Map<string, Report>;
}

export async function recorded(names = readdirSync(CAPTURES)): Promise<Recorded> {
  const events: Event[] = [];
  const reports = new Map<string, Report>();
  for (const cluster of names) {
    const { report } = await replay(await sourcesOfCapture(join(CAPTURES, cluster)), {
      cluster,
      onEvents: async (some) => {
        events.push(...some);
      },
    });
    reports.set(cluster, report);
  }
  return { events, reports };
}

/** As each host sends them, facts first; hosts in between each other, and some sent twice: the answer was lost. */
export function arrivals(events: readonly Event[], random: Random): Arrival[] {
  const hosts = new Map<string, Event[]>();
  for (const event of events) getOrMake(hosts, `${event.cluster}/${event.host}`, () => []).push(event);
  const queues = [...hosts.values()].map((sent) => withRepetitions(factsFirst(sent), random));
  const turns = random.shuffled(queues.flatMap((queue) => queue.map(() => queue)));
  return turns.map((queue) => {
    const event = queue.shift() as Event;
    return { cluster: event.cluster, value: encodeEvent(event) };
  });
}

function factsFirst(events: readonly Event[]): Event[] {
  const isFact = ({ kind }: Event) => kind === 'HostFactsRead';
  return [...events.filter(isFact), ...events.filter((event) => !isFact(event))];
}

/** Stretches, as a forwarder sends a batch again. */
function withRepetitions(events: readonly Event[], random: Random): Event[] {
  const sent: Event[] = [];
  for (let from = 0; from < events.length; ) {
    const batch = events.slice(from, from + random.between(1, 20));
    sent.push(...batch);
    if (random.chance(0.2)) sent.push(...batch);
    from += batch.length;
  }
  return sent;
}
