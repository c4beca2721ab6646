import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Line, LineSplitter, MAX_LINE_BYTES } from '../../../src/collect/libvirt/lines.js';
import { chunked, holds } from './support.js';

function split(chunks: readonly Buffer[]): Line[] {
  const lines: Line[] = [];
  const splitter = new LineSplitter('a.log', 0, (line) => lines.push(line));
  for (const chunk of chunks) splitter.write(chunk);
  splitter.end();
  return lines;
}

describe('LineSplitter', () => {
  it('gives the same lines however the bytes are cut', () => {
    const bytes = fc.array(fc.constantFrom('\n', 'a', '\r', '\0', 'é'), { maxLength: 60 });
    holds(
      fc.property(bytes, fc.array(fc.nat()), (parts, cuts) => {
        const whole = Buffer.from(parts.join(''));
        expect(split(chunked(whole, cuts))).toEqual(split([whole]));
      }),
    );
  });

  it('tells each line its offset, its number and its size with the newline', () => {
    const lines = split([Buffer.from('ab\n\nc\n')]);
    expect(lines.map(({ offset, number, size_bytes }) => [offset, number, size_bytes])).toEqual([
      [0, 0, 3],
      [3, 1, 1],
      [4, 2, 2],
    ]);
  });

  it('keeps only the beginning of a line that is too long, and reads on behind it', () => {
    const long = Buffer.alloc(MAX_LINE_BYTES + 1, 'x');
    const lines = split([long, Buffer.from('yyy'), Buffer.from('\nnext\n')]);
    expect(lines.map(({ fault, raw, size_bytes }) => [fault, raw.length, size_bytes])).toEqual([
      ['line-too-long', 256, MAX_LINE_BYTES + 5],
      [null, 4, 5],
    ]);
  });

  it('reads a line of exactly the longest length', () => {
    const [line] = split([Buffer.alloc(MAX_LINE_BYTES, 'x'), Buffer.from('\n')]);
    expect(line?.fault).toBeNull();
  });

  it('marks a line that the end of the stream cut', () => {
    expect(split([Buffer.from('whole\ncu')]).map(({ fault }) => fault)).toEqual([null, 'unterminated-line']);
  });

  it('carries a line over from one file to the next and knows where it began', () => {
    const lines: Line[] = [];
    const splitter = new LineSplitter('old.log', 0, (line) => lines.push(line));
    splitter.write(Buffer.from('first\nhal'));
    splitter.begin('new.log');
    splitter.write(Buffer.from('f\nthird\n'));
    expect(lines.map(({ raw, file, offset, number }) => [raw.toString(), file, offset, number])).toEqual([
      ['first', 'old.log', 0, 0],
      ['half', 'old.log', 6, 1],
      ['third', 'new.log', 2, 2],
    ]);
  });
});
