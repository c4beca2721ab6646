import { getOrMake, groupBy } from '../domain/group.js';
import type { Event, EventOf } from '../events/event.js';
import { compareEntries, type Entry, lowerBound } from './entry.js';
import type { FileCall } from './file-call.js';
import { isByLibvirt } from './judge.js';

/** Events of which the first and the last of a run say all that the others do. */

/** A call that follows another within this time, as libvirt sets a file's owner after its label, can explain it. */
const TOGETHER_US = 5_000_000;

/**
 * Calls on one file that are alike and have the same neighbours in the record of their host. A verdict asks of earlier
 * calls only whether there is one of a kind, and which was last.
 *
 * @param marks by host, the events that can change who owned the file's guests
 * @param isOld what may be let go
 */
export function repeatedCalls(
  calls: readonly FileCall[],
  marks: (host: string) => Entry[],
  isOld: (call: FileCall) => boolean,
): FileCall[] {
  const repeated: FileCall[] = [];
  for (const [host, ofHost] of groupBy(calls, ({ event }) => event.host)) {
    if (ofHost.length < 3 || !ofHost.some(isOld)) continue;
    const ordered = ofHost.sort((a, b) => compareEntries(a.entry, b.entry));
    const turning = marks(host)
      .filter(({ event }) => !MAY_REPEAT.has(event.kind))
      .sort(compareEntries);
    const stretchOf = ({ entry }: FileCall) => lowerBound(turning, (mark) => compareEntries(mark, entry) < 0);
    const alike = groupBy(ordered, (call) => `${stretchOf(call)} ${kindOf(call)}`);
    const kept = new Set<FileCall>();
    for (const run of alike.values()) for (const call of [run[0], run.at(-1)]) if (call) kept.add(call);
    for (const call of ordered) if (!isOld(call)) kept.add(call);
    for (const [index, call] of ordered.entries()) {
      if (!kept.has(call)) continue;
      const next = ordered[index + 1];
      if (next && next.entry.time - call.entry.time <= TOGETHER_US) kept.add(next);
    }
    for (const call of ordered) if (!kept.has(call)) repeated.push(call);
  }
  return repeated;
}

function kindOf({ event: { body }, keys, by }: FileCall): string {
  const { asked_uid, asked_gid, asked_mode, asked_context, attribute, attribute_confidence } = body;
  const { call, success, path, path_quality, exe } = body;
  return JSON.stringify([
    ...[asked_uid, asked_gid, asked_mode, asked_context, attribute, attribute_confidence],
    ...[call, success, path, path_quality, isByLibvirt(body) ? 'libvirt' : exe, keys, by],
    ...[body.before_uid, body.before_gid, body.before_mode, body.before_context],
  ]);
}

/** Kinds that only show once more what is known. */
const MAY_REPEAT: ReadonlySet<Event['kind']> = new Set<Event['kind']>([
  'GuestIoError',
  'ImageAssigned',
  'DomainEventSeen',
  'RelabelIntended',
]);

/** Signs of one guest on one host that say the same between the same two events of other kinds. */
export function repeatedEntries(entries: readonly Entry[], isOld: (entry: Entry) => boolean): Entry[] {
  const repeated: Entry[] = [];
  let runs = new Map<string, Entry[]>();
  const close = () => {
    for (const run of runs.values())
      for (const entry of run.slice(1, -1)) if (isOld(entry)) repeated.push(entry);
    runs = new Map();
  };
  for (const entry of [...entries].sort(compareEntries)) {
    const { kind, stream, body } = entry.event;
    if (MAY_REPEAT.has(kind)) getOrMake(runs, JSON.stringify([kind, stream, body]), () => []).push(entry);
    else if (kind !== 'GuestsListed') close();
  }
  close();
  return repeated;
}

/** Of the complete lists of a host's guests, the old ones before the last old one. */
export function supersededLists(common: readonly Entry[], isOld: (entry: Entry) => boolean): Entry[] {
  return common.filter((entry) => entry.event.kind === 'GuestsListed' && isOld(entry)).slice(0, -1);
}

/** Old facts of which later old ones, or the first, say all. */
export function supersededFacts(stated: readonly Entry[], isOld: (entry: Entry) => boolean): Entry[] {
  const old = stated.filter(isOld);
  const known = new Set<string>();
  const needed = new Set<Entry>();
  const see = (entry: Entry) => {
    for (const fact of factsIn(entry.event as EventOf<'HostFactsRead'>)) {
      if (known.has(fact)) continue;
      known.add(fact);
      needed.add(entry);
    }
  };
  for (const entry of [...old].reverse()) see(entry);
  // lost records are counted from the first reading
  const first = old.find(({ event }) => (event as EventOf<'HostFactsRead'>).body.audit !== null);
  if (first) needed.add(first);
  return old.filter((entry) => !needed.has(entry));
}

function factsIn({ body }: EventOf<'HostFactsRead'>): string[] {
  const facts: string[] = [];
  for (const [name, value] of Object.entries(body)) {
    if (value === null || value === undefined) continue;
    if (name === 'selinux_booleans' || name === 'users' || name === 'groups')
      for (const each of value as { name: string }[]) facts.push(`${name} ${each.name}`);
    else facts.push(name);
  }
  return facts;
}
