import { getOrMake } from '../domain/group.js';
import type { FileCall } from './file-call.js';

/** Calls of one process so close to each other are of one walk through a tree, not of a number that came again. */
export const TREE_US = 5_000_000;

/** Calls that name files without their directory, by the process that made them: it walks through a tree. */
export class Trees {
  private readonly byProcess = new Map<string, FileCall[]>();

  /** @returns the calls of that process, which this one may tell of */
  add(call: FileCall): readonly FileCall[] {
    const calls = getOrMake(this.byProcess, processOf(call), () => []);
    calls.push(call);
    return calls;
  }

  /** All calls of that process, the call itself among them where it is of this kind. */
  of(call: FileCall): readonly FileCall[] {
    return this.byProcess.get(processOf(call)) ?? [];
  }
}

function processOf({ event: { host, body } }: FileCall): string {
  return `${host}\n${body.pid}\n${body.ppid}`;
}
