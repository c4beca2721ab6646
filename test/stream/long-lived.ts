import type { Event, EventOf } from '../../src/events/event.js';
import type { Step } from '../../src/sim/plan.js';
import { simulate } from '../../src/sim/simulate.js';
import { GUEST, labPlan } from '../sim/plans.js';

/** Histories of years, made of a short one that is played again and again. */

export const HOUR_US = 3_600_000_000;

/** The events of a lab history with the hosts' facts first. */
export function played(script: Step[], { runs = false } = {}): Event[] {
  const plan = labPlan({ runs }, script);
  for (const { hosts } of plan.clusters)
    for (const host of hosts) {
      host.facts_at = 'begin';
      host.guests_listed_at = 'begin';
    }
  return simulate(plan).transcript.map(({ event }) => event);
}

/** The same by another guest, or by the same one, at a later time. */
export function again(events: readonly Event[], time: number, later_us: number, guest = 0): Event[] {
  const renamed = (text: string) =>
    text
      .replaceAll(GUEST, `${GUEST.slice(0, -6)}${String(guest).padStart(6, '0')}`)
      .replaceAll('vm1', `vm${guest}x`)
      .replace(/("inode":")(\d+)/g, (_, before, inode) => before + (Number(inode) + 1000 * guest));
  return events.map((event) => {
    const body = JSON.parse(guest === 0 ? JSON.stringify(event.body) : renamed(JSON.stringify(event.body)));
    if (typeof body.serial === 'number') body.serial += time * 10_000;
    return {
      ...event,
      body,
      at: event.at + later_us,
      sequence: event.sequence + time * 100_000,
      id: `${event.id}/${time}`,
    } as Event;
  });
}

/** All hosts have said everything up to a time. */
export function heartbeats(hosts: Iterable<string>, cluster: string, at: number): Event[] {
  return [...hosts].map(
    (host): EventOf<'Heartbeat'> => ({
      ...{ cluster, host, boot: null, stream: 'collector', sequence: at, at, id: `${host}/beat/${at}` },
      witness: Buffer.alloc(0),
      kind: 'Heartbeat',
      body: {
        streams: [
          { stream: 'audit', at },
          { stream: 'virsh-event', at },
        ],
        clock_offset_us: 0,
        clock_uncertainty_us: 1000,
      },
    }),
  );
}
