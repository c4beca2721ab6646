import { describe, expect, it } from 'vitest';
import { formatOwner, parseContext, parseDacLabel } from '../../src/domain/label.js';

function categoriesOf(text: string): number[] {
  return [...(parseContext(text)?.categories ?? [])];
}

describe('parseContext', () => {
  it('tells the parts of a context', () => {
    expect(parseContext('system_u:object_r:svirt_image_t:s0:c1,c5')).toEqual({
      user: 'system_u',
      role: 'object_r',
      type: 'svirt_image_t',
      range: 's0:c1,c5',
      categories: new Set([1, 5]),
    });
  });

  it('does without a range, as systems without MLS do', () => {
    expect(parseContext('system_u:object_r:virt_image_t')).toMatchObject({ type: 'virt_image_t', range: '' });
  });

  it.each([
    ['no level', 'u:r:t', []],
    ['no category', 'u:r:t:s0', []],
    ['single ones', 'u:r:t:s0:c3,c9', [3, 9]],
    ['a range', 'u:r:t:s0:c2.c5', [2, 3, 4, 5]],
    ['the high level of two', 'u:r:t:s0:c1-s0:c4,c6', [4, 6]],
    ['a range that runs backwards', 'u:r:t:s0:c5.c2', []],
    ['no numbers', 'u:r:t:s0:cx,c-4,,c', []],
    ['absurd numbers', 'u:r:t:s0:c99999999999,c7', [7]],
  ])('counts categories: %s', (_, text, categories) => {
    expect(categoriesOf(text)).toEqual(categories);
  });

  it.each(['', ':', 'u:r', 'u::t', 'not a context', '?'])('is null for %o', (text) => {
    expect(parseContext(text)).toBeNull();
  });

  it('does not work without end on ranges that overlap', () => {
    const hostile = `u:r:t:s0:${'c0.c99999999,'.repeat(100_000)}`;
    expect(parseContext(hostile)?.categories.size).toBeLessThan(20_000);
  });
});

describe('parseDacLabel', () => {
  it.each([
    ['+64055:+108', { uid: 64055, gid: 108 }],
    ['0:0', { uid: 0, gid: 0 }],
    ['+4294967294:1', { uid: 4294967294, gid: 1 }],
  ])('reads %s', (text, owner) => {
    expect(parseDacLabel(text)).toEqual(owner);
  });

  it.each(['', ':', '+1', 'root:root', '1:2:3', '-1:0', '1:2\n', '0x1:1', '99999999999:1'])(
    'is null for %o',
    (text) => {
      expect(parseDacLabel(text)).toBeNull();
    },
  );
});

describe('formatOwner', () => {
  it('shows what is not stated as a dash', () => {
    expect(formatOwner({ uid: 0, gid: null })).toBe('0:-');
  });
});
