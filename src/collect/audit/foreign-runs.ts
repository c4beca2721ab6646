import {
  EVENT_BYTES,
  EventField,
  type ForeignKernel,
  foreignKernel,
  WINDOW_AT,
  WINDOW_BYTES,
} from './foreign-kernel.js';

/** One for the whole process: each use of it is over before the next one begins. Undefined until it is needed. */
let shared: ForeignKernel | null | undefined;

/** Null where the processor has no such instructions, or a limit on addresses leaves no room for its memory. */
function sharedKernel(): ForeignKernel | null {
  if (shared !== undefined) return shared;
  try {
    shared = foreignKernel();
  } catch {
    shared = null; // then each line is read, which only takes longer
  }
  return shared;
}

/** whose text lies in the window */
let holder: ForeignRuns | null = null;

/** Runs of events that are none of ours, found in a chunk by the kernel; the text reaches it window by window. */
export class ForeignRuns {
  /** null before the first search, and where there is none */
  #kernel: ForeignKernel | null = null;
  /** how many events the last run has; valid indexes of what follows */
  count = 0;
  #chunk: Buffer | null = null;
  /** bounds of the window in the chunk */
  #from = 0;
  #to = 0;

  /** @param next serial of the first event */
  find(chunk: Buffer, start: number, next: number): this {
    const kernel = sharedKernel();
    if (kernel === null) return this;
    this.#kernel = kernel;
    const isInWindow = holder === this && chunk === this.#chunk && start >= this.#from && start < this.#to;
    if (!isInWindow) this.#load(kernel, chunk, start);
    this.#run(kernel, start, next);
    const isCut = this.count === 0 && kernel.isCut() && this.#to < chunk.length;
    if (!isCut || start === this.#from) return this;
    this.#load(kernel, chunk, start);
    this.#run(kernel, start, next);
    return this;
  }

  /** Lets go of the chunk. */
  release(): void {
    this.#chunk = null;
  }

  /** Index in the chunk of the event's first line, and after its last. */
  startOf(index: number): number {
    return this.#field(index, EventField.START) - WINDOW_AT + this.#from;
  }

  endOf(index: number): number {
    return this.#field(index, EventField.END) - WINDOW_AT + this.#from;
  }

  linesOf(index: number): number {
    return this.#field(index, EventField.LINES);
  }

  hasProctitle(index: number): boolean {
    return this.#field(index, EventField.HAS_PROCTITLE) !== 0;
  }

  /** Its stamp in ms. */
  msOf(index: number): number {
    return (this.#kernel as ForeignKernel).events.getFloat64(index * EVENT_BYTES + EventField.AT_MS, true);
  }

  #field(index: number, field: number): number {
    return (this.#kernel as ForeignKernel).events.getInt32(index * EVENT_BYTES + field, true);
  }

  #load(kernel: ForeignKernel, chunk: Buffer, start: number): void {
    holder = this;
    this.#chunk = chunk;
    this.#from = start;
    this.#to = Math.min(chunk.length, start + WINDOW_BYTES);
    kernel.memory.set(chunk.subarray(start, this.#to), WINDOW_AT);
  }

  #run(kernel: ForeignKernel, start: number, next: number): void {
    const at = WINDOW_AT + start - this.#from;
    this.count = kernel.run(at, WINDOW_AT + this.#to - this.#from, next);
  }
}
