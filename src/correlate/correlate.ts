import type { Report } from '../domain/report.js';
import type { Event } from '../events/event.js';

/**
 * The pure core: events in, report out. No I/O, no clock. The report is a function of the set of events: their
 * order of arrival, repetition and grouping do not matter.
 */
export interface CorrelatorOptions {
  /** file systems or mount points to treat as shared or local, against what the mount says */
  sharedPaths?: string[];
  localPaths?: string[];
}

export interface CorrelatorState {
  readonly options: CorrelatorOptions;
  readonly events: Map<string, Event>;
}

export function createState(options: CorrelatorOptions = {}): CorrelatorState {
  return { options, events: new Map() };
}

/** Takes one event in. The state is changed in place; the same event again changes nothing. */
export function evolve(state: CorrelatorState, event: Event): void {
  if (!state.events.has(event.id)) state.events.set(event.id, event);
}

/** Everything that can be said about the events taken in so far. */
export function decide(_state: CorrelatorState): Report {
  return { hosts: [], migrations: [], relabels: [], findings: [], timeline: [] };
}
