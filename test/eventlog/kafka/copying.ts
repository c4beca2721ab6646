import type { PartitionHandler } from '../../../src/eventlog/port.js';

/**
 * Copies events to the timeline, with where they came from and who copied them, and counts them in its state.
 *
 * @param name of the process among all that copy
 * @param say is told what happens, a line each
 */
export function copying(name: string, say: (...words: (string | number)[]) => void): PartitionHandler {
  const next = new Map<number, number>();
  let attempt = 0;
  return {
    async begin(partition, state) {
      next.set(partition, 0);
      for await (const { value } of state) next.set(partition, Number(value.toString()));
      say('begin', partition, next.get(partition) as number);
    },
    async take(batch, partition) {
      const first = batch[0]?.offset as number;
      // the state and the position are of one transaction
      if ((next.get(partition) as number) > first) say('mismatch', partition, first);
      attempt++;
      const copies = batch.map(({ offset, value }) => ({
        topic: 'timeline' as const,
        record: { key: 'k', value: Buffer.from(`${offset} ${name}/${attempt} ${value}`), id: null },
      }));
      const after = (batch.at(-1)?.offset as number) + 1;
      next.set(partition, after);
      const state = { key: 'next', value: Buffer.from(String(after)), id: null };
      say('took', partition, after);
      return [...copies, { topic: 'state', record: state }];
    },
    async end(partition) {
      say('end', partition);
    },
  };
}
