import { describe, expect, it } from 'vitest';
import type { RelabelReport } from '../../src/domain/report.js';
import type { Event } from '../../src/events/event.js';
import type { Step } from '../../src/sim/plan.js';
import { simulate } from '../../src/sim/simulate.js';
import { GUEST, type LabOptions, labPlan } from '../sim/plans.js';
import { reportOn } from './histories/check.js';

/** Records of two hosts that do not cover the same time: nothing in them says so, for clocks are not compared. */

const MOVED_BY_HAND: Step[] = [
  { do: 'wait', ms: 3_000 },
  { do: 'hotplug', guest: GUEST },
  { do: 'wait', ms: 27_000 },
  { do: 'shutdown', guest: GUEST },
  { do: 'wait', ms: 10_000 },
  { do: 'start', guest: GUEST, on: 'hostb' },
  { do: 'wait', ms: 20_000 },
  { do: 'shutdown', guest: GUEST },
  { do: 'wait', ms: 5_000 },
];

/** What hosta wrote in the first seconds, and all that the others wrote. */
function untilOn(host: string, seconds: number, options: LabOptions): Event[] {
  const { transcript } = simulate(labPlan(options, MOVED_BY_HAND));
  const began_us = transcript[0]?.true_us ?? 0;
  return transcript
    .filter(({ event, true_us }) => event.host !== host || true_us - began_us < seconds * 1e6)
    .map(({ event }) => event);
}

function byLibvirtOn(host: string, events: Event[]): RelabelReport[] {
  return reportOn(events).relabels.filter(
    (each) => each.host === host && /libvirtd/.test(each.actor.exe ?? ''),
  );
}

describe('a guest that another host ran through its whole record', () => {
  for (const storage of ['p9', 'nfs'] as const) {
    it(`accuses no start and no end of the guest's own on ${storage}, for that record can have ended before`, () => {
      const calls = byLibvirtOn('hostb', untilOn('hosta', 20, { storage }));
      expect(calls.length).toBeGreaterThan(0);
      expect(calls.filter(({ verdict }) => verdict === 'violation')).toEqual([]);
    });
  }

  it('names the order as what is missing where nothing keeps two hosts from running the guest', () => {
    const calls = byLibvirtOn('hostb', untilOn('hosta', 20, { storage: 'p9' }));
    const missing = calls.flatMap((each) => each.missing.map(({ what }) => what));
    expect(missing).toContain('order');
  });

  it('accuses them where it was refused its image meanwhile', () => {
    const script: Step[] = [
      { do: 'wait', ms: 3_000 },
      { do: 'hotplug', guest: GUEST },
      { do: 'wait', ms: 10_000 },
      { do: 'second-start', guest: GUEST, on: 'hostb', locked: false },
      { do: 'wait', ms: 20_000 },
      { do: 'end-second', guest: GUEST },
      { do: 'wait', ms: 10_000 },
    ];
    const { events } = simulate(labPlan({ storage: 'p9', hostb_uid: 65534 }, script));
    const calls = byLibvirtOn('hostb', withRefusal(events));
    const accused = calls.filter(({ verdict }) => verdict === 'violation');
    expect(accused.map(({ reason }) => reason)).toContain('second-incarnation');
  });
});

/** The guest's QEMU on hosta is refused its image. */
function withRefusal(events: Event[]): Event[] {
  const model = events.find(({ host, kind }) => host === 'hosta' && kind === 'ImageAssigned') as Event;
  const said: Event = {
    ...model,
    id: `${model.id}/io-error`,
    stream: 'qemu-monitor-event',
    sequence: 0,
    at: model.at + 12_000_000,
    kind: 'GuestIoError',
    body: {
      guest: { uuid: GUEST, name: 'vm1' },
      path: null,
      device: 'virtio-disk0',
      node_name: null,
      operation: 'write',
      action: 'report',
      reason: 'Permission denied',
    },
  };
  return [...events, said];
}
