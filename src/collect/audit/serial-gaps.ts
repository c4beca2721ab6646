import type { ByteText } from '../../domain/byte-text.js';

/** Serials come out of order by a few (two CPUs: by 2); one this far behind the highest is taken for missing. */
const REORDER_WINDOW = 64;
/** A serial further away than this needs a second one on its side: one garbled digit must not invent a gap. */
const JUMP = 4096;
/** Losses that began within this time are told as one gap. */
export const AGGREGATION_MS = 2000;
const MAX_NODES = 256;
const SERIALS = 0x100000000;

/** Serials that no record had. Times are those of the records around them. */
export interface SerialGap {
  node: ByteText | null;
  serial_from: number;
  serial_to: number;
  lost: number;
  after_ms: number;
  before_ms: number;
}

/** The highest serial that was read, which the next one has to follow. */
export interface LastSerial {
  node: ByteText | null;
  serial: number;
  at_ms: number;
}

interface Hole {
  from: number;
  to: number;
  after_ms: number;
  before_ms: number;
}

interface NodeState {
  node: ByteText | null;
  highest: number;
  highest_ms: number;
  /** not yet out of the reorder window, oldest first */
  holes: Hole[];
  /** a serial far from all others, waiting for another one */
  suspect: { serial: number; at_ms: number } | null;
  /** auditd said that it started: a lower serial now is a new boot */
  restarted: boolean;
  /** what is collected to be reported as one */
  gap: SerialGap | null;
}

/**
 * Finds serials missing from the kernel's one counter. They show loss by rate limit, by exclusion and by cuts of the
 * stream; they do not show a backlog overflow, for which no serial is drawn. All arithmetic is modulo 2^32.
 */
export class SerialGaps {
  readonly #report: (gap: SerialGap) => void;
  readonly #nodes = new Map<ByteText | null, NodeState>();
  #state: NodeState | null = null;

  constructor(report: (gap: SerialGap) => void) {
    this.#report = report;
  }

  /** Takes the serial of a kernel record; auditd's own records (DAEMON_*) count elsewhere. */
  observe(node: ByteText | null, serial: number, at_ms: number): void {
    let state = this.#state;
    if (state === null || state.node !== node) {
      state = this.#stateOf(node, serial, at_ms);
      this.#state = state;
    }
    if (serial === state.highest + 1 && state.holes.length === 0 && state.gap === null) {
      state.highest = serial;
      state.highest_ms = at_ms;
      state.suspect = null;
      return;
    }
    if (serial !== state.highest) this.#place(state, serial, at_ms);
  }

  /**
   * The one serial of the node that says nothing but that it is the next; -1 where any says more. As many as follow it
   * without a gap may be told by `observeRun` instead of one by one.
   */
  nextOf(node: ByteText | null): number {
    const state = this.#state;
    if (state === null || state.node !== node || state.holes.length > 0 || state.gap !== null) return -1;
    return state.highest + 1 < SERIALS ? state.highest + 1 : -1;
  }

  /** @param last serial of the run */
  observeRun(last: number, at_ms: number): void {
    const state = this.#state as NodeState;
    state.highest = last;
    state.highest_ms = at_ms;
    state.suspect = null;
  }

  /** auditd began to write: if the next serial is lower than the last, the machine was booted. */
  daemonStarted(node: ByteText | null): void {
    const state = this.#nodes.get(node);
    if (state !== undefined) state.restarted = true;
  }

  /** Since when there are holes that may still be filled, or gaps that may still grow; infinite when there are none. */
  get since_ms(): number {
    let since_ms = Number.POSITIVE_INFINITY;
    for (const { holes, gap, suspect } of this.#nodes.values())
      for (const open of [holes[0]?.after_ms, gap?.after_ms, suspect?.at_ms])
        since_ms = Math.min(since_ms, open ?? Number.POSITIVE_INFINITY);
    return since_ms;
  }

  get memory(): LastSerial[] {
    return [...this.#nodes.values()].map(({ node, highest, highest_ms }) => ({
      node,
      serial: highest,
      at_ms: highest_ms,
    }));
  }

  /** Goes on where another reader stopped. */
  remember(last: readonly LastSerial[]): void {
    for (const { node, serial, at_ms } of last) this.#stateOf(node, serial, at_ms);
  }

  /** The log rests: what is missing now does not come any more. */
  quiet(): void {
    for (const state of this.#nodes.values()) this.#finish(state);
  }

  end(): void {
    for (const state of this.#nodes.values()) this.#finish(state);
    this.#nodes.clear();
    this.#state = null;
  }

  #place(state: NodeState, serial: number, at_ms: number): void {
    // read while it was written, the log rested here, and the gap was told then
    if (at_ms > state.highest_ms + AGGREGATION_MS) this.#finish(state);
    const distance = (serial - state.highest) | 0;
    if (distance > JUMP || distance < -JUMP || (state.restarted && distance < 0)) {
      this.#placeFar(state, serial, at_ms, distance);
      return;
    }
    state.suspect = null;
    if (distance > 0) advance(state, serial, at_ms, distance);
    else fill(state.holes, serial);
    this.#settle(state, at_ms);
  }

  #placeFar(state: NodeState, serial: number, at_ms: number, distance: number): void {
    const isConfirmed =
      state.suspect !== null && distance > 0 === ((state.suspect.serial - state.highest) | 0) > 0;
    if (!isConfirmed && !state.restarted) {
      state.suspect = { serial, at_ms };
      return;
    }
    const first = state.suspect !== null && isConfirmed ? state.suspect : { serial, at_ms };
    if (distance > 0) {
      advance(state, first.serial, first.at_ms, (first.serial - state.highest) | 0);
    } else {
      this.#finish(state);
      state.highest = first.serial;
      state.highest_ms = first.at_ms;
    }
    state.suspect = null;
    state.restarted = false;
    if (serial !== state.highest) this.#place(state, serial, at_ms);
  }

  /** Holes that can no longer be filled become gaps; gaps that can no longer grow are reported. */
  #settle(state: NodeState, at_ms: number): void {
    for (;;) {
      const hole = state.holes[0];
      if (hole === undefined || ((state.highest - hole.to) | 0) <= REORDER_WINDOW) break;
      state.holes.shift();
      this.#collect(state, hole);
    }
    if (state.gap !== null && state.holes.length === 0 && at_ms > state.gap.after_ms + AGGREGATION_MS)
      this.#flush(state);
  }

  #collect(state: NodeState, hole: Hole): void {
    if (state.gap !== null && hole.after_ms > state.gap.after_ms + AGGREGATION_MS) this.#flush(state);
    const lost = ((hole.to - hole.from) >>> 0) + 1;
    if (state.gap === null) {
      state.gap = {
        node: state.node,
        serial_from: hole.from,
        serial_to: hole.to,
        lost,
        after_ms: hole.after_ms,
        before_ms: hole.before_ms,
      };
    } else {
      state.gap.serial_to = hole.to;
      state.gap.before_ms = hole.before_ms;
      state.gap.lost += lost;
    }
  }

  #flush(state: NodeState): void {
    if (state.gap !== null) this.#report(state.gap);
    state.gap = null;
  }

  #finish(state: NodeState): void {
    for (const hole of state.holes) this.#collect(state, hole);
    state.holes = [];
    this.#flush(state);
  }

  #stateOf(node: ByteText | null, serial: number, at_ms: number): NodeState {
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    for (const [oldest, state] of this.#nodes) {
      if (this.#nodes.size < MAX_NODES) break;
      this.#finish(state);
      this.#nodes.delete(oldest);
    }
    const state: NodeState = {
      node,
      highest: serial,
      highest_ms: at_ms,
      holes: [],
      suspect: null,
      restarted: false,
      gap: null,
    };
    this.#nodes.set(node, state);
    return state;
  }
}

function advance(state: NodeState, serial: number, at_ms: number, distance: number): void {
  if (distance > 1)
    state.holes.push({
      from: (state.highest + 1) % SERIALS,
      to: (serial + SERIALS - 1) % SERIALS,
      after_ms: state.highest_ms,
      before_ms: at_ms,
    });
  state.highest = serial;
  state.highest_ms = at_ms;
}

/** A serial came late: it was not missing. */
function fill(holes: Hole[], serial: number): void {
  for (let i = 0; i < holes.length; i++) {
    const hole = holes[i] as Hole;
    const fromStart = (serial - hole.from) | 0;
    const toEnd = (hole.to - serial) | 0;
    if (fromStart < 0 || toEnd < 0) continue;
    const parts: Hole[] = [];
    if (fromStart > 0) parts.push({ ...hole, to: (serial + SERIALS - 1) % SERIALS });
    if (toEnd > 0) parts.push({ ...hole, from: (serial + 1) % SERIALS });
    holes.splice(i, 1, ...parts);
    return;
  }
}
