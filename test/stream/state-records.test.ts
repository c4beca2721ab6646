import { describe, expect, it } from 'vitest';
import { encodeConclusion } from '../../src/events/codec.js';
import { readState, saidState } from '../../src/stream/state-records.js';
import { SAMPLE_CONCLUSIONS } from '../events/sample-records.js';

const NO_ITEM = Buffer.alloc(0);

describe('what was last said of an item', () => {
  it.each(SAMPLE_CONCLUSIONS.map((said, index) => [index, said] as const))(
    'is read back without its words (sample %i)',
    (_, said) => {
      const { key, value } = saidState(said).record;
      const { cluster, item, ...rest } = said;
      expect(readState(key, value)).toEqual({ kind: 'said', cluster, said: rest });
      expect(value.includes(item.subarray(0, 20)) && item.length > 0).toBe(false);
    },
  );

  it('is read in the form that it had before', () => {
    const [said] = SAMPLE_CONCLUSIONS;
    if (said === undefined) throw new Error('there is no sample');
    const { key } = saidState(said).record;
    const read = readState(key, encodeConclusion({ ...said, item: NO_ITEM }));
    const { cluster, item: _, ...rest } = said;
    expect(read).toMatchObject({ kind: 'said', cluster, said: rest });
  });

  it.each([
    ['no JSON', '{'],
    ['no array', '{}'],
    ['too short', '[1,1,false]'],
  ])('is refused by its key when it is %s', (_, text) => {
    const key = JSON.stringify(['lab', 'timeline', 'an entry']);
    expect(() => readState(key, Buffer.from(text))).toThrowError(
      expect.objectContaining({ code: 'MA_BAD_RECORD', where: expect.stringContaining('an entry') }),
    );
  });
});
