import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf, byteTextFrom } from '../../src/domain/byte-text.js';
import { shellWord } from '../../src/domain/shell.js';
import { SEEDS } from '../events/seeds.js';

/** What a shell makes of these words: a program that prints each, ended by NUL. */
function readBack(shell: string, words: readonly string[]): string[] {
  // With a socket for its input bash thinks that it runs under sshd, and reads the user's .bashrc.
  const output = execFileSync(shell, ['-c', `printf '%s\\0' ${words.join(' ')}`], {
    env: { LC_ALL: 'C', PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return output.toString('latin1').split('\0').slice(0, -1);
}

function asLatin1(text: string): string {
  return bytesOf(text).toString('latin1');
}

const HOSTILE = [
  '',
  ' ',
  '-rf',
  '--',
  '~',
  '~root/x',
  '$(reboot)',
  '`reboot`',
  '$IFS',
  '$HOME',
  "it's",
  "'; reboot; '",
  '"quoted"',
  'a\\b',
  'ends in \\',
  '!!',
  '*?[a-z]{a,b}',
  '#comment',
  'a;b&c|d<e>f',
  'a=b',
  '%s%n',
];
const BEYOND_ASCII = [
  'line\nend\n',
  '\n',
  '\u001b]8;;http://x\u0007link',
  "tab\tand 'quote' and \\",
  'é9',
  '😀',
  '\u202egnp.exe',
  'x'.repeat(4000),
  byteTextFrom(Buffer.from([0xff, 0x39, 0x61])),
  byteTextFrom(Buffer.from([0x01, 0x31, 0x37])),
  byteTextFrom(Buffer.from(Array.from({ length: 255 }, (_, i) => i + 1))),
];

const NAME = fc
  .uint8Array({ minLength: 0, maxLength: 60 })
  .map((bytes) => byteTextFrom(bytes.map((byte) => (byte === 0 ? 1 : byte))));

describe('shellWord', () => {
  it('leaves plain paths as they are', () => {
    expect(shellWord('/var/lib/libvirt/images/vm-1_a.qcow2')).toBe('/var/lib/libvirt/images/vm-1_a.qcow2');
  });

  it('is read back by bash as the same bytes', () => {
    const names = [...HOSTILE, ...BEYOND_ASCII];
    expect(readBack('bash', names.map(shellWord))).toEqual(names.map(asLatin1));
  });

  it('is read back by any sh while it is ASCII', () => {
    expect(readBack('sh', HOSTILE.map(shellWord))).toEqual(HOSTILE.map(asLatin1));
  });

  it.each(SEEDS)('is read back by bash for names of any bytes (seed %i)', (seed) => {
    fc.assert(
      fc.property(fc.array(NAME, { minLength: 50, maxLength: 100 }), (names) => {
        expect(readBack('bash', names.map(shellWord))).toEqual(names.map(asLatin1));
      }),
      { seed, numRuns: 10 },
    );
  });

  it.each(SEEDS)('is printable ASCII on one line (seed %i)', (seed) => {
    fc.assert(
      fc.property(NAME, (name) => /^[ -~]+$/.test(shellWord(name))),
      { seed, numRuns: 2000 },
    );
  });
});
