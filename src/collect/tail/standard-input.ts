import type { Readable } from 'node:stream';
import type { Event } from '../../events/event.js';
import { AuditReader } from '../audit/reader.js';
import { gapDetected } from '../collector-event.js';
import { linesIn } from '../line-bytes.js';
import { HELD_BACK_US } from '../rejected-lines.js';
import type { Source, SourceOutput } from '../source.js';

export interface StandardInputOptions {
  name: string;
  /** `process.stdin`, as auditd opens it for its plugins */
  input: Readable;
  place: { cluster: string; host: string };
  /** µs since the epoch */
  clock: () => number;
  quiet_ms?: number;
}

/** After so long without a record nothing that is open will be completed (auditd's end_of_event_timeout). */
const QUIET_MS = 2000;

/** How long what happened may take to its record, by an auditd that is not behind. */
const WRITING_US = 1_000_000;

const QUIET = Symbol('quiet');

/**
 * Audit records as auditd gives them to its plugins, which can be read once only: there is no checkpoint, and auditd
 * waits, and then drops, while nobody reads. Its end is the end of what can be known.
 */
export function standardInputSource(options: StandardInputOptions): Source {
  return new StandardInput(options);
}

class StandardInput implements Source {
  readonly name: string;
  readonly stream = 'audit';
  readonly isLive = true;
  readonly #options: StandardInputOptions;
  #watermark_us: number | null = null;
  /** everything that was held back is told, and nothing came since */
  #isResting = false;

  constructor(options: StandardInputOptions) {
    this.name = options.name;
    this.#options = options;
  }

  watermark_us(): number | null {
    if (this.#isResting) this.#vouchFor(this.#options.clock());
    return this.#watermark_us;
  }

  async run(output: SourceOutput, _checkpoint: null | Buffer, signal: AbortSignal): Promise<void> {
    const { place, input } = this.#options;
    let events: Event[] = [];
    const reader = new AuditReader(
      { ...place, boot: null, file: 'standard input' },
      {
        event: (event) => events.push(event),
        rejected: ({ reason }) => output.rejected(reason),
        foreign: (lines) => output.foreign(lines),
      },
    );
    const emit = async () => {
      const some = events;
      events = [];
      if (some.length > 0) await output.emit(some, null);
    };
    output.up();
    for await (const chunk of chunksOrQuiet(input, this.#options.quiet_ms ?? QUIET_MS, signal)) {
      if (chunk === QUIET) reader.quiet();
      else {
        output.read(linesIn(chunk), chunk.length);
        reader.write(chunk);
      }
      this.#isResting = false;
      await emit();
      const reached_us = reader.reached_us();
      if (reached_us !== null) this.#vouchFor(reached_us);
      this.#isResting = chunk === QUIET;
    }
    this.#isResting = false;
    reader.end();
    if (!signal.aborted) events.push(this.#endGap());
    await emit();
  }

  #vouchFor(reached_us: number): void {
    this.#watermark_us = Math.max(this.#watermark_us ?? 0, reached_us - HELD_BACK_US - WRITING_US);
  }

  #endGap(): Event {
    const { place, clock } = this.#options;
    const at_us = clock();
    return gapDetected(
      { ...place, at_us },
      {
        kind: 'collector-down',
        of_stream: 'audit',
        from: this.#watermark_us,
        to: null,
        lost: null,
        serial_from: null,
        serial_to: null,
        detail: 'standard input ended: auditd stopped, or ended its plugin',
      },
    );
  }
}

/** Chunks as they come, and `QUIET` once after each time without any. Ends with the input, or when aborted. */
async function* chunksOrQuiet(
  input: Readable,
  quiet_ms: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer | typeof QUIET> {
  let wake = () => {};
  let isOver = false;
  const notice = () => wake();
  // An input that fails has ended as well.
  const end = () => {
    isOver = true;
    wake();
  };
  input.on('readable', notice);
  for (const event of ENDS) input.on(event, end);
  signal.addEventListener('abort', notice);
  try {
    for (let isQuiet = false; !signal.aborted; ) {
      const chunk: Buffer | null = input.read();
      if (chunk !== null) {
        isQuiet = false;
        yield chunk;
        continue;
      }
      if (isOver) return;
      let timer: NodeJS.Timeout | undefined;
      const isWoken = await new Promise<boolean>((resolve) => {
        wake = () => resolve(true);
        if (!isQuiet) timer = setTimeout(() => resolve(false), quiet_ms);
      });
      clearTimeout(timer);
      if (isWoken) continue;
      isQuiet = true;
      yield QUIET;
    }
  } finally {
    input.off('readable', notice);
    for (const event of ENDS) input.off(event, end);
    signal.removeEventListener('abort', notice);
  }
}

const ENDS = ['end', 'close', 'error'] as const;
