import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../src/domain/byte-text.js';
import { reportSchema } from '../../src/replay/report-schema.js';
import { type CommandResult, runCommand } from '../commands/run-command.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { hostileCapture, imagePath, type Names } from './hostile-capture.js';

const HOSTILE: Record<string, Buffer> = {
  'terminal sequences': Buffer.from('\x1b[2J\x1b[31mred\x1b]0;title\x07'),
  'C1 sequences': Buffer.from('\u009b2J\u009d0;title\u009c'),
  'a link': Buffer.from('\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\'),
  'direction marks': Buffer.from('a\u202egnp.exe\u202c\u200f\u2067x\u2069'),
  'zero-width characters': Buffer.from('a\u200b\u200c\u200d\u2060\ufeff\u00ad\u034fb'),
  'line ends': Buffer.from('a\nVIOLATION  everything is fine\r\n\u2028\u0085b'),
  tabs: Buffer.from('a\tb\vc\fd\be'),
  'invalid UTF-8': Buffer.from([0x61, 0xff, 0x39, 0xfe, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x62]),
  emoji: Buffer.from('😀👨‍👩‍👧🏴󠁧󠁢󠁥󠁮󠁧󠁿é日本'),
  'shell words': Buffer.from('$(reboot)`reboot`;reboot|&>x \\ !! * ~ $HOME'),
  quotes: Buffer.from(`it's "so" '; reboot; ' \\'`),
  SQL: Buffer.from("'; DROP TABLE events; -- \\'"),
  markup: Buffer.from('<script>alert(1)</script>&amp;]]>'),
  'names of JavaScript': Buffer.from('__proto__'),
  'a dash': Buffer.from('--help'),
  '4 KB': Buffer.from('x'.repeat(4000)),
  '4 KB of wide characters': Buffer.from('語'.repeat(1300)),
  '4 KB of invalid bytes': Buffer.alloc(4000, 0xff),
  'every byte': Buffer.from(Array.from({ length: 255 }, (_, i) => i + 1).filter((byte) => byte !== 0x2f)),
};

/** Whatever could move a cursor, hide itself or turn text around. Line ends are looked at apart. */
const ACTIVE = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const COLUMNS = 80;

function namesOf(bytes: Buffer): Names {
  return { guest: bytes, image: bytes, program: bytes };
}

async function replayed(names: Names, format: string): Promise<CommandResult> {
  return runCommand(['replay', temporaryDirectory(hostileCapture(names)), '--format', format], {
    columns: COLUMNS,
  });
}

/** What the commands of a remedy are really called with: each is a function that prints its arguments. */
function argumentsOf(command: string): Buffer[] {
  const script = `PATH=/nowhere; chown() { printf '%s\\0' "$@"; }; chcon() { chown "$@"; }; virsh() { chown "$@"; }\n${command}`;
  const output = execFileSync('bash', ['-c', script], {
    env: { LC_ALL: 'C', PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const words = output.toString('latin1').split('\0').slice(0, -1);
  return words.map((word) => Buffer.from(word, 'latin1'));
}

describe.each(Object.entries(HOSTILE))('names that hold %s', (_, bytes) => {
  const names = namesOf(bytes);

  it('do nothing to the text page', async () => {
    const { exit, out, err } = await replayed(names, 'text');
    expect(exit).toBe(1);
    expect(ACTIVE.exec(out)).toBeNull();
    expect(ACTIVE.exec(err)).toBeNull();
    expect(out.match(/^VIOLATION/gm)).toHaveLength(1);
    for (const line of out.split('\n')) {
      const isCommand = /^ {4}(?:chown|chcon|virsh) /.test(line);
      expect(line.length, line).toBeLessThanOrEqual(isCommand ? 70_000 : COLUMNS);
    }
  });

  it.each(['json', 'ndjson'])('do nothing to %s', async (format) => {
    const { exit, out } = await replayed(names, format);
    expect(exit).toBe(1);
    expect(ACTIVE.exec(out)).toBeNull();
    if (format === 'json') {
      const json = JSON.parse(out);
      expect(reportSchema.parse(json)).toEqual(json);
    } else {
      for (const line of out.trimEnd().split('\n')) expect(typeof JSON.parse(line).type).toBe('string');
    }
  });

  it('come back byte for byte: in JSON, and from the shell that the remedy is pasted into', async () => {
    const { out } = await replayed(names, 'json');
    const [finding] = JSON.parse(out).findings;
    expect(bytesOf(finding.images[0].path).equals(imagePath(names))).toBe(true);
    const called = (finding.remedy.commands as { command: string }[]).map(({ command }) =>
      argumentsOf(command),
    );
    expect(called.filter((words) => words.at(-1)?.equals(imagePath(names)))).toHaveLength(1);
    for (const words of called) expect(words).toHaveLength(3);
  });
});

it('a capture and hosts whose own names are hostile do nothing to the page', async () => {
  const name = `h\x1b[2J\u202e😀\n'$(reboot)`;
  const tree = Object.fromEntries(
    Object.entries(hostileCapture(namesOf(Buffer.from('vm1')))).map(([path, content]) => [
      path.replace('hosta', name),
      content,
    ]),
  );
  const capture = join(temporaryDirectory({ ...tree, [`${name}/audit.log.9`]: 'damage\n' }));
  const { out, err } = await runCommand(['replay', capture], { columns: COLUMNS });
  expect(ACTIVE.exec(out)).toBeNull();
  expect(ACTIVE.exec(err)).toBeNull();
  expect(err).toContain('\\x1b[2J');
});
