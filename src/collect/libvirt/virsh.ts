import { randomUUID } from 'node:crypto';
import { type RunProgram, runProgram } from '../process/run-program.js';

export interface VirshOptions {
  /** path of the program */
  program: string;
  uri: string;
  /** for each virsh */
  timeout_ms: number;
  run?: RunProgram;
}

const OUTPUT_BYTES_MAX = 32 * 1024 * 1024;
/** One argument of a program has at most 128 KiB (Linux, MAX_ARG_STRLEN). */
const COMMAND_TEXT_MAX = 64 * 1024;

/**
 * Asks libvirt by one virsh at a time, over a read-only connection. Several commands go into one process and one connection;
 * a line that nobody can foresee tells their outputs apart, whatever they print.
 */
export class Virsh {
  private readonly program: string;
  private readonly uri: string;
  private readonly timeout_ms: number;
  private readonly run: RunProgram;
  private last: Promise<unknown> = Promise.resolve();

  constructor({ program, uri, timeout_ms, run = runProgram }: VirshOptions) {
    this.program = program;
    this.uri = uri;
    this.timeout_ms = timeout_ms;
    this.run = run;
  }

  /**
   * @param commands as virsh's own command line has them. They go through its parser: UUIDs and words of ours only, never a
   *   guest's name
   * @returns the output of each command, empty where it failed; in words why there is none at all
   */
  ask(commands: readonly string[], signal?: AbortSignal): Promise<Buffer[] | string> {
    const answer = this.last.then(() => this.inTurn(commands, signal));
    this.last = answer;
    return answer;
  }

  private async inTurn(commands: readonly string[], signal?: AbortSignal): Promise<Buffer[] | string> {
    const outputs: Buffer[] = [];
    for (const part of inParts(commands)) {
      const answered = await this.askTogether(part, signal);
      if (typeof answered === 'string') return answered;
      outputs.push(...answered);
    }
    return outputs;
  }

  private async askTogether(commands: readonly string[], signal?: AbortSignal): Promise<Buffer[] | string> {
    const mark = `end-${randomUUID()}`;
    const text = commands.map((command) => `${command}; echo ${mark}`).join('; ');
    const limits = { timeout_ms: this.timeout_ms, output_bytes_max: OUTPUT_BYTES_MAX, signal };
    const ran = await this.run(this.program, ['-r', '-c', this.uri, text], limits);
    const outputs = splitAt(ran.stdout, Buffer.from(`${mark}\n`));
    const isWhole = outputs.length === commands.length;
    // a command that failed leaves its place empty; when all did, it is the connection that failed
    if (isWhole && outputs.some((output) => output.length > 0)) return outputs;
    if (isWhole && ran.failure === null && ran.said === '') return outputs;
    return ran.failure ?? (ran.said || `${this.program} did not answer all questions`);
  }
}

function* inParts(commands: readonly string[]): Generator<string[]> {
  let part: string[] = [];
  let length = 0;
  for (const command of commands) {
    const needed = command.length + 64;
    if (length + needed > COMMAND_TEXT_MAX && part.length > 0) {
      yield part;
      part = [];
      length = 0;
    }
    part.push(command);
    length += needed;
  }
  if (part.length > 0) yield part;
}

/** What stands before each mark, without the blank lines that virsh puts after every command. */
function splitAt(bytes: Buffer, mark: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, from)) {
    parts.push(trimmed(bytes.subarray(from, at)));
    from = at + mark.length;
  }
  return parts;
}

const NEWLINE = 0x0a;

function trimmed(bytes: Buffer): Buffer {
  let from = 0;
  let to = bytes.length;
  while (from < to && bytes[from] === NEWLINE) from++;
  while (to > from && bytes[to - 1] === NEWLINE) to--;
  return bytes.subarray(from, to);
}
