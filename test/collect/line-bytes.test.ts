import { describe, expect, it } from 'vitest';
import { joinedLines } from '../../src/collect/line-bytes.js';

describe('joinedLines', () => {
  it.each([
    [[], ''],
    [['one'], 'one'],
    [['', ''], '\n'],
    [['one', '', 'three'], 'one\n\nthree'],
  ])('makes %j into %j', (lines, text) => {
    expect(joinedLines(lines.map((line) => Buffer.from(line))).toString()).toBe(text);
  });

  it('does not copy a single line', () => {
    const line = Buffer.from('one');
    expect(joinedLines([line])).toBe(line);
  });
});
