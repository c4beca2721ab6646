import { idOf, joined, Remains } from '../correlate/remains.js';
import type { Proposal } from '../correlate/settled.js';
import type { GuestRef } from '../domain/report.js';
import type { Output } from '../eventlog/port.js';
import type { Judge, Judged } from './judge.js';
import type { Noted, Said, Saying } from './said.js';
import { forgotten, remainsState, type Settled, saidState, settledState } from './state-records.js';
import type { Relabel } from './waiting-relabels.js';
import type { Watermarks } from './watermarks.js';

/**
 * Lets go of events that have long been settled, so that memory and changelog do not grow with the age of a cluster.
 *
 * Everything about when and what is a function of what the changelog holds, so a process that was started anew does
 * as the one before it. Nothing is let go before it was tried: all that is kept has to be judged as it was.
 */

export interface SettlingOptions {
  /** how long events are kept after their host has passed them, µs of its own clock */
  keep_settled_us: number;
  /** memory that events may take before they are let go earlier than that, about */
  state_bytes_max: number;
}

/** A clock that is further ahead of the middle host than this, and than what is kept, is not believed. */
const DAY_US = 86_400_000_000;
/** A round comes whenever the middle host has passed this share of what is kept. */
const ROUND_SHARE = 0.25;
/** Where there is no room, a round comes when the state has grown by this since the last one. */
const GROWTH_MIN = 1.1;
/** Where there is no room, less is kept, down to this. */
const KEEP_MIN_US = 3_600_000_000;
/** How often what was not judged as before is kept and the rest tried again. */
const TRIALS_MAX = 4;
/** The share of the room that the remains of guests may take. */
const REMAINS_SHARE = 0.125;

export interface Round {
  judge: Judge;
  outputs: Output[];
  sayings: Saying[];
  /** relabels that are to wait until a guest uses their file */
  unclaimed: readonly Relabel[];
  events: number;
  /** remains of guests for which there was no room either */
  remains: number;
  /** memory that events take afterwards, about */
  bytes: number;
  isOverfull: boolean;
}

export class Settling {
  readonly #cluster: string;
  readonly #options: SettlingOptions;
  #last: Settled | null = null;

  constructor(cluster: string, options: SettlingOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  restore(settled: Settled): void {
    this.#last = settled;
  }

  /** The next round, if it is time for one. */
  round(judge: Judge, said: Said, watermarks: Watermarks): Round | null {
    const middle_us = middleOf(watermarks);
    if (middle_us === null) return null;
    const { keep_settled_us, state_bytes_max } = this.#options;
    if (this.#last === null) {
      this.#last = { at_us: middle_us, bytes: 0, forgotten_version: said.forgottenVersion, hosts: {} };
      return this.#nothingLetGo(judge, this.#last);
    }
    const isTime = middle_us - this.#last.at_us >= keep_settled_us * ROUND_SHARE;
    const isFull = judge.bytes > state_bytes_max && judge.bytes > this.#last.bytes * GROWTH_MIN;
    if (!isTime && !isFull) return null;
    const before = judge;
    let after = judge;
    const unclaimed: Relabel[] = [];
    for (let keep_us = keep_settled_us; ; keep_us = Math.max(keep_us / 2, KEEP_MIN_US)) {
      after = this.#tried(after, said, watermarks, middle_us, keep_us, unclaimed) ?? after;
      if (after.bytes <= state_bytes_max || keep_us <= KEEP_MIN_US) break;
    }
    return { ...this.#roundFrom(before, after, said, middle_us), unclaimed };
  }

  #nothingLetGo(judge: Judge, settled: Settled): Round {
    const outputs = [settledState(this.#cluster, settled)];
    return {
      judge,
      outputs,
      sayings: [],
      unclaimed: [],
      events: 0,
      remains: 0,
      bytes: judge.bytes,
      isOverfull: false,
    };
  }

  /** A judge without what can be let go; null where that is nothing. */
  #tried(
    judge: Judge,
    said: Said,
    watermarks: Watermarks,
    middle_us: number,
    keep_us: number,
    unclaimed: Relabel[],
  ): Judge | null {
    const until_us = new Map<string, number>();
    const believed_us = middle_us + Math.max(keep_us, DAY_US);
    for (const [host, { own_us }] of watermarks.all())
      until_us.set(host, (own_us > believed_us ? middle_us : own_us) - keep_us);
    const isSilent = (host: string) => middle_us - (watermarks.get(host)?.own_us ?? 0) > keep_us;
    let proposals = judge.settled({
      until_us,
      isFinal: (table, id) => said.isFinal(table, id, isSilent),
      isOpen: (finding) => said.isOpen(finding),
    });
    for (let trial = 0; trial < TRIALS_MAX && proposals.length > 0; trial++) {
      const without = withoutAll(judge, proposals);
      const differing = new Set<string>();
      for (const item of without.judged.items)
        if (said.differs(item))
          for (const name of namesOf((item.item as { guest: GuestRef }).guest)) differing.add(name);
      if (differing.size === 0) {
        for (const { events, areUnclaimed } of proposals)
          if (areUnclaimed) unclaimed.push(...(events as Relabel[]));
        return without.judge;
      }
      const others = proposals.filter(
        ({ guests }) => guests === null || [...guests].every((guest) => !differing.has(guest)),
      );
      proposals = others.length < proposals.length ? others : others.filter(({ guests }) => guests !== null);
    }
    return null;
  }

  #roundFrom(before: Judge, after: Judge, said: Said, middle_us: number): Omit<Round, 'unclaimed'> {
    const outputs: Output[] = [];
    const sayings: Saying[] = [];
    const { state_bytes_max } = this.#options;
    let remains = 0;
    let judge = before;
    if (after !== before) {
      remains = dropRemains(after, state_bytes_max * REMAINS_SHARE);
      const kept = withoutAll(after, []);
      judge = kept.judge;
      for (const id of before.missingIn(judge)) outputs.push(forgotten(this.#cluster, 'event', id));
      for (const noted of said.settle(kept.judged)) {
        if ('saying' in noted) sayings.push(noted.saying);
        else outputs.push(this.#outputOf(noted));
      }
      outputs.push(...this.#remainsOutputs(before.remains, judge.remains));
    }
    const hosts = Object.fromEntries(judge.remains.hosts);
    this.#last = { at_us: middle_us, bytes: judge.bytes, forgotten_version: said.forgottenVersion, hosts };
    outputs.push(settledState(this.#cluster, this.#last));
    const events = before.size - judge.size;
    return {
      judge,
      outputs,
      sayings,
      events,
      remains,
      bytes: judge.bytes,
      isOverfull: judge.bytes > state_bytes_max,
    };
  }

  #outputOf(noted: Exclude<Noted, { saying: Saying }>): Output {
    if ('said' in noted) return saidState(noted.said);
    return forgotten(this.#cluster, noted.forgotten.table, noted.forgotten.id);
  }

  *#remainsOutputs(before: Remains, after: Remains): Iterable<Output> {
    const now = new Map(after.all());
    for (const [id] of before.all()) if (!now.has(id)) yield forgotten(this.#cluster, 'remains', id);
    const former = new Map(before.all());
    for (const [id, remains] of now)
      if (former.get(id) !== remains) yield remainsState(this.#cluster, id, remains);
  }
}

/** The watermark of the middle host, of two the further one: one host whose clock is far off does not move it. */
function middleOf(watermarks: Watermarks): number | null {
  const all = [...watermarks.all()].map(([, { own_us }]) => own_us).sort((a, b) => a - b);
  return all[all.length >> 1] ?? null;
}

function namesOf({ uuid, name }: GuestRef): string[] {
  return [uuid, name].filter((each) => each !== null);
}

function withoutAll(judge: Judge, proposals: readonly Proposal[]): { judge: Judge; judged: Judged } {
  const letGo = new Set<string>();
  const remains = new Remains();
  for (const [, each] of judge.remains.all()) remains.set(each);
  for (const [host, each] of judge.remains.hosts) remains.hosts.set(host, each);
  const counts = new Map<string, number>();
  for (const { events, remains: left, areUnclaimed } of proposals) {
    for (const { id, host } of events) {
      if (letGo.has(id)) continue;
      letGo.add(id);
      if (!areUnclaimed) counts.set(host, (counts.get(host) ?? 0) + 1);
    }
    if (left === null) continue;
    const former = remains.ofFamily(left);
    for (const each of former) remains.delete(idOf(each));
    remains.set(joined([left, ...former]));
  }
  for (const [host, count] of counts) {
    const left = judge.hostRemains(host, count);
    if (left !== undefined) remains.hosts.set(host, left);
  }
  const without = judge.without(letGo, remains);
  return { judge: without, judged: without.revise() };
}

/** Drops what is left of guests, of which the last event is longest ago first, where it takes too much. */
function dropRemains({ remains }: Judge, bytes_max: number): number {
  const sizes = [...remains.all()].map(([id, each]) => ({
    id,
    bytes: 2 * JSON.stringify(each).length,
    last_us: Math.max(...Object.values(each.settled_us)),
  }));
  let bytes = sizes.reduce((sum, each) => sum + each.bytes, 0);
  let dropped = 0;
  for (const each of sizes.sort((a, b) => a.last_us - b.last_us)) {
    if (bytes <= bytes_max) break;
    remains.delete(each.id);
    bytes -= each.bytes;
    dropped++;
  }
  return dropped;
}
