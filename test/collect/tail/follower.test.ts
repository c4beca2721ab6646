import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Follower, type Step } from '../../../src/collect/tail/follower.js';
import { temporaryDirectory } from '../../replay/temporary-directory.js';

const LOG = Buffer.from('type=SYSCALL msg=audit(1795396307.832:2590): a line of some length\n');
/** It begins as gzip does. */
const DAMAGED = gzipSync(LOG).fill(0xff, 10);
const LOOKS = 12;

async function steps(follower: Follower, count: number): Promise<Step[]> {
  const found: Step[] = [];
  for (let looks = 0; looks < count; looks++) found.push(await follower.next());
  follower.close();
  return found;
}

describe('an old file of a log', () => {
  it('whose bytes cannot be unpacked is passed over soon, and told', async () => {
    const directory = temporaryDirectory({ 'audit.log.1.gz': DAMAGED, 'audit.log': LOG });
    const found = await steps(new Follower(join(directory, 'audit.log'), 'oldest', null), LOOKS);
    expect(found.find(({ kind }) => kind === 'lost')).toMatchObject({
      gap: 'file-unreadable',
      detail: expect.stringContaining('audit.log.1.gz'),
    });
    expect(found).toContainEqual({ kind: 'bytes', chunk: LOG });
  });

  it.skipIf(process.getuid?.() === 0)('that may not be read is waited for', async () => {
    const directory = temporaryDirectory({ 'audit.log.1': LOG, 'audit.log': LOG });
    chmodSync(join(directory, 'audit.log.1'), 0);
    const found = await steps(new Follower(join(directory, 'audit.log'), 'oldest', null), LOOKS);
    expect(found.map(({ kind }) => kind)).not.toContain('lost');
    expect(found.at(-1)).toMatchObject({
      kind: 'wait',
      problem: expect.stringContaining('permission denied'),
    });
  });
});
