import type { ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Enclosure, ended } from './enclosure.js';

const PROGRAM = fileURLToPath(new URL('caller.py', import.meta.url));

/** A call on one file. */
export type Call = {
  path: string | Buffer;
  /** user that the call is made as; root unless told */
  as?: number;
  /** so often, one after the other; once unless told */
  times?: number;
} & (
  | { call: 'chown' | 'lchown' | 'fchown' | 'fchownat'; uid: number; gid: number }
  | { call: 'setxattr' | 'lsetxattr' | 'fsetxattr'; name: string; value: string }
  | { call: 'removexattr' | 'lremovexattr' | 'fremovexattr'; name: string }
  | { call: 'rename'; to: string }
);

/** A file as stat has it: what an observer knows who reads no logs. */
export interface FileState {
  /** `major:minor` in decimal */
  dev: string;
  inode: string;
  uid: number;
  gid: number;
  mode: number;
}

export interface Outcome {
  /** 0 when the call succeeded */
  errno: number;
  /** null when there was no such file */
  before: FileState | null;
  after: FileState | null;
}

/** One process inside that makes the calls it is told. */
export class Caller {
  private readonly process: ChildProcess;
  private readonly answers: AsyncIterator<string>;
  private readonly lines: Interface;

  constructor(enclosure: Enclosure) {
    this.process = enclosure.spawn('python3', [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream });
    this.answers = this.lines[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.process.pid as number;
  }

  async make(call: Call): Promise<Outcome> {
    const { as = null, times = 1, ...rest } = call;
    const request = {
      ...rest,
      as,
      times,
      path: hex(call.path),
      ...('to' in call ? { to: hex(call.to) } : {}),
      ...('value' in call ? { value: hex(call.value) } : {}),
    };
    this.process.stdin?.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.answers.next();
    if (done) throw new Error('the process that makes the calls has ended');
    return JSON.parse(value) as Outcome;
  }

  async close(): Promise<void> {
    this.process.stdin?.end();
    await ended(this.process);
  }
}

function hex(text: string | Buffer): string {
  return Buffer.from(text as string).toString('hex');
}
