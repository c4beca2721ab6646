import { describe, expect, it } from 'vitest';
import { Committer } from '../../../src/eventlog/kafka/committer.js';
import type { Output } from '../../../src/eventlog/port.js';

const output = (name: string, bytes = 1): Output => ({
  topic: 'timeline',
  record: { key: name, value: Buffer.alloc(bytes), id: null },
});

/** Commits when it is told to. */
function controlled() {
  const commits: { names: string[]; next: number; settle: (error?: Error) => void }[] = [];
  const committer = new Committer(
    (outputs, next) =>
      new Promise((resolve, reject) => {
        const settle = (error?: Error) => (error === undefined ? resolve() : reject(error));
        commits.push({ names: outputs.map(({ record }) => record.key), next, settle });
      }),
  );
  return { committer, commits };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a committer', () => {
  it('commits together, in their order, what was given while a transaction ran', async () => {
    const { committer, commits } = controlled();
    await committer.add([output('a')], 1);
    await committer.add([output('b')], 2);
    await committer.add([], 3);
    await committer.add([output('c')], 4);
    expect(commits.map(({ names, next }) => [names, next])).toEqual([[['a'], 1]]);
    commits[0]?.settle();
    await turn();
    expect(commits.slice(1).map(({ names, next }) => [names, next])).toEqual([[['b', 'c'], 4]]);
    commits[1]?.settle();
    await committer.finish();
    expect(commits.length).toBe(2);
  });

  it('lets whoever gives too much wait', async () => {
    const { committer, commits } = controlled();
    await committer.add([output('a')], 1);
    let isTaken = false;
    const adding = committer.add([output('large', 9 << 20)], 2).then(() => {
      isTaken = true;
    });
    await turn();
    expect(isTaken).toBe(false);
    commits[0]?.settle();
    await adding;
    expect(commits[1]?.names).toEqual(['large']);
  });

  it('commits nothing after a failure, and says so to the next and to the last call', async () => {
    const { committer, commits } = controlled();
    await committer.add([output('a')], 1);
    await committer.add([output('b')], 2);
    commits[0]?.settle(new Error('fenced'));
    await turn();
    await expect(committer.add([], 3)).rejects.toThrow('fenced');
    await expect(committer.finish()).rejects.toThrow('fenced');
    expect(commits.length).toBe(1);
  });

  it('is finished when nothing was given', async () => {
    await controlled().committer.finish();
  });
});
