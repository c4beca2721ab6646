import type { Ledger, Moment } from './ledger.js';
import type { EventLog } from './log.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';
import type { SimGuest, SimHost, World } from './world.js';

/** Everything that an activity acts on: the true world, what is written about it, and what is remembered as truth. */
export interface Stage {
  world: World;
  log: EventLog;
  ledger: Ledger;
  random: Random;
  scheduler: Scheduler;
}

/** A wait of chance, µs. */
export function pause(stage: Stage, least_ms: number, most_ms: number): number {
  return stage.random.between(least_ms, most_ms) * 1000;
}

export function actOn(stage: Stage, host: SimHost): Moment {
  return stage.ledger.act(host.index, stage.scheduler.now_us);
}

export function message(stage: Stage, guest: SimGuest, from: SimHost, to: SimHost): void {
  stage.ledger.message(guest.uuid, from.index, to.index);
}

/** Are libvirt's events about guests collected on this host at the moment? */
export function isHeard(host: SimHost): boolean {
  const { streams } = host.plan;
  return host.listening && (streams.includes('virsh-event') || streams.includes('qemu-monitor-event'));
}
