import type { GuestCustody } from './custody.js';
import type { HostRecord } from './host-record.js';

/**
 * Lays the hosts' clocks beside each other for showing one timeline, never for a verdict.
 *
 * A hand-over orders moments on two hosts: the source stops before the destination resumes, and the destination
 * resumes before the source records the end. Each bounds the difference of the two clocks. A clock that agrees
 * with its bounds is left alone, so that the printed times are the ones in the logs.
 */
export function alignClocks(
  records: ReadonlyMap<string, HostRecord>,
  custodies: readonly GuestCustody[],
): Map<string, number> {
  const bounds = new Map<string, { host: string; low: number; high: number }[]>();
  const bound = (a: string, b: string, low: number, high: number) => {
    const list = bounds.get(a);
    if (list) list.push({ host: b, low, high });
    else bounds.set(a, [{ host: b, low, high }]);
  };
  for (const custody of custodies) {
    for (const chain of custody.chains) {
      for (let i = 1; i < chain.length; i++) {
        const [source, destination] = [chain[i - 1], chain[i]];
        const handOver = source?.handOvers.at(-1);
        if (!source || !destination || !handOver || destination.owns === null) continue;
        const stopped = records.get(source.host)?.times[handOver.from];
        const resumed = records.get(destination.host)?.times[destination.owns];
        const confirmed = source.endReason === 'migrated' && source.ended !== null ? records.get(source.host)?.times[source.ended] : undefined;
        if (stopped === undefined || resumed === undefined) continue;
        // offset to add to the destination's times so that stopped <= resumed <= confirmed
        const low = handOver.from === handOver.to ? Number.NEGATIVE_INFINITY : stopped - resumed;
        const high = confirmed === undefined ? Number.POSITIVE_INFINITY : confirmed - resumed;
        bound(source.host, destination.host, low, high);
        bound(destination.host, source.host, -high, -low);
      }
    }
  }
  const offsets = new Map<string, number>();
  for (const start of [...records.keys()].sort()) {
    if (offsets.has(start)) continue;
    offsets.set(start, 0);
    const queue = [start];
    for (let host = queue.shift(); host !== undefined; host = queue.shift()) {
      const base = offsets.get(host) as number;
      for (const { host: other, low, high } of bounds.get(host) ?? []) {
        if (offsets.has(other)) continue;
        const allowed = (bounds.get(host) ?? []).filter((each) => each.host === other);
        const tightLow = Math.max(low, ...allowed.map((each) => each.low)) + base;
        const tightHigh = Math.min(high, ...allowed.map((each) => each.high)) + base;
        offsets.set(other, within(tightLow, tightHigh));
        queue.push(other);
      }
    }
  }
  return offsets;
}

/** The offset nearest to none; the middle where the bounds contradict each other. */
function within(low: number, high: number): number {
  if (low > high) return Math.round((low + high) / 2);
  if (low <= 0 && high >= 0) return 0;
  return low > 0 ? low : high;
}
