import { type Ending, Program } from './program.js';

export interface Limits {
  timeout_ms: number;
  output_bytes_max: number;
  signal?: AbortSignal | undefined;
}

/** What a program printed, and how it ended. */
export interface Ran extends Ending {
  /** whole only when nothing failed */
  stdout: Buffer;
}

const END_GRACE_MS = 2_000;

/** Runs a program to its end. Never rejects: what went wrong stands in `failure`. */
export type RunProgram = (path: string, args: readonly string[], limits: Limits) => Promise<Ran>;

export const runProgram: RunProgram = async (path, args, { timeout_ms, output_bytes_max, signal }) => {
  const program = new Program(path, args);
  const until_ms = performance.now() + timeout_ms;
  const chunks: Buffer[] = [];
  let size_bytes = 0;
  let failure: string | null = null;
  while (failure === null) {
    const left_ms = until_ms - performance.now();
    if (left_ms <= 0) {
      failure = `${path} took longer than ${timeout_ms / 1000} s`;
      break;
    }
    const chunk = await program.next(left_ms, signal);
    if (chunk === null) break;
    if (signal?.aborted) failure = `${path} was stopped`;
    else if (chunk === 'quiet') continue;
    else if (size_bytes + chunk.length > output_bytes_max)
      failure = `${path} printed more than ${output_bytes_max} bytes`;
    else {
      chunks.push(chunk);
      size_bytes += chunk.length;
    }
  }
  const ending = failure === null ? await program.finish(END_GRACE_MS) : await program.stop();
  return { ...ending, stdout: Buffer.concat(chunks), failure: failure ?? ending.failure };
};
