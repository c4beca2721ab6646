import { getOrMake } from '../domain/group.js';
import type { FileCall } from './file-call.js';
import { baseName } from './file-keys.js';

/** Calls of one process so close to each other are of one walk through a tree, not of a number that came again. */
export const WALK_US = 5_000_000;

/** The calls of one process that name files without their directory. */
export class Walk {
  readonly calls: FileCall[] = [];
  private readonly byName = new Map<string, FileCall[]>();

  add(call: FileCall): void {
    this.calls.push(call);
    getOrMake(this.byName, nameOf(call), () => []).push(call);
  }

  /** Did it take one file of that name only? */
  tookOneOfItsName(call: FileCall): boolean {
    const { dev, inode } = call.event.body;
    const alike = this.byName.get(nameOf(call)) ?? [];
    return alike.every(({ event: { body } }) => body.dev === dev && body.inode === inode);
  }
}

/** Processes that walk through trees of directories, as `chown -R` does. */
export class Walks {
  private readonly byProcess = new Map<string, Walk>();

  add(call: FileCall): Walk {
    const walk = getOrMake(this.byProcess, processOf(call), () => new Walk());
    walk.add(call);
    return walk;
  }

  of(call: FileCall): Walk | undefined {
    return this.byProcess.get(processOf(call));
  }
}

function nameOf({ event }: FileCall): string {
  return baseName(event.body.path ?? '');
}

function processOf({ event: { host, body } }: FileCall): string {
  return `${host}\n${body.pid}\n${body.ppid}`;
}
