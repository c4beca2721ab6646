import { describe, expect, it } from 'vitest';
import { snapshotParserFor } from '../../src/collect/host/files.js';
import { MigrationAuditError } from '../../src/domain/errors.js';
import { decodeEvent, encodeEvent } from '../../src/events/codec.js';
import type { Event } from '../../src/events/event.js';
import { Random } from '../../src/sim/random.js';
import { captured, capturedFiles, snapshot } from '../collect/host/support.js';
import { SEEDS } from '../events/seeds.js';
import { Draft, mutate } from './mutations.js';

/** What a file tells, or the code of the error it gives; anything else thrown fails the test. */
function outcome(name: string, content: string | Buffer): Event[] | string {
  try {
    return snapshot(name, content);
  } catch (error) {
    if (error instanceof MigrationAuditError) return error.code;
    throw error;
  }
}

function expectStorable(events: Event[] | string): void {
  if (typeof events === 'string') return;
  for (const event of events) expect(decodeEvent(encodeEvent(event)).id).toBe(event.id);
}

/** One real file of each kind: where there are several, the longest. */
const SAMPLES = new Map<string, Buffer>();
for (const { scenario, host, name } of capturedFiles()) {
  if (snapshotParserFor(name) === null) continue;
  const bytes = captured(scenario, host, name);
  const kind = name.replace(/^domain-.*\.xml$/, 'domain-vm1.xml').replace(/\.before$/, '');
  if (bytes.length > (SAMPLES.get(kind)?.length ?? 0)) SAMPLES.set(kind, bytes);
}

const DAMAGED_PER_SEED = 150;
const CUT_STEP = 97;

describe.each([...SAMPLES])('%s', (name, bytes) => {
  it('cut anywhere, gives facts or an error', () => {
    for (let length = 0; length < bytes.length; length += CUT_STEP)
      expectStorable(outcome(name, bytes.subarray(0, length)));
  });

  it.each(SEEDS)('damaged anywhere, gives facts or an error (seed %i)', (seed) => {
    const random = new Random(seed);
    const draft = new Draft(3 * bytes.length + 400_000);
    for (let i = 0; i < DAMAGED_PER_SEED; i++) {
      draft.clear();
      draft.begin(bytes);
      for (let times = 1 + random.below(4); times > 0 && draft.length < bytes.length + 90_000; times--)
        mutate(draft, random, bytes);
      expectStorable(outcome(name, draft.written()));
    }
  });
});

const MANY = 400_000;

describe('XML that means harm gives an error, or what it says', () => {
  it.each([
    ['entities of entities', `<!DOCTYPE d [<!ENTITY a 'x'><!ENTITY b '&a;&a;'>]><domain>&b;</domain>`],
    ['an entity from a file', `<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><domain>&a;</domain>`],
    ['a document type in other letters', '<!docType d><domain/>'],
    ['elements without end', `<domain>${'<a>'.repeat(MANY)}`],
    ['elements inside each other', `<domain>${'<a>'.repeat(MANY)}${'</a>'.repeat(MANY)}</domain>`],
    ['nothing but brackets', '<'.repeat(7 * MANY)],
    ['comments that never end', `<domain>${'<!--'.repeat(MANY)}`],
    ['character data that never ends', `<domain>${'<![CDATA['.repeat(MANY / 2)}`],
    ['instructions that never end', `<domain>${'<?'.repeat(3 * MANY)}`],
    ['attributes that never end', `<domain a='${'b="'.repeat(MANY)}`],
    ['metadata inside metadata', `<domain><metadata>${'<metadata>'.repeat(MANY / 2)}`],
    ['names of JavaScript', '<domain><__proto__><a/></__proto__><constructor/></domain>'],
    ['UTF-16', Buffer.from('\ufeff<domain/>', 'utf16le')],
    ['NULs', Buffer.alloc(MANY)],
    ['too many bytes', ' '.repeat(9_000_000)],
  ])('%s', (_, content) => {
    expect(outcome('domain-vm1.xml', content)).toBe('MA_UNREADABLE');
    expect(outcome('capabilities.xml', content)).toBe('MA_UNREADABLE');
  });

  it.each([
    ['a long attribute', `<domain a='${'x'.repeat(7 * MANY)}'><name>a</name></domain>`],
    ['a long text', `<domain><name>${'&amp;'.repeat(MANY)}</name></domain>`],
    ['many disks', `<domain><devices>${'<disk><source/></disk>'.repeat(100_000)}</devices></domain>`],
    ['many labels', `<domain>${'<seclabel><label>a</label></seclabel>'.repeat(100_000)}</domain>`],
    ['characters that Unicode does not have', '<domain><name>&#x110000;&#xD800;&#x0;</name></domain>'],
  ])('%s', (_, content) => {
    expectStorable(outcome('domain-vm1.xml', content));
  });

  it('a chain in which every image repeats a long target', () => {
    const layers = 400;
    const chain = `${"<backingStore type='file'><source file='/a'/>".repeat(layers)}${'</backingStore>'.repeat(layers)}`;
    const disk = `<disk type='file'><source file='/a'/><target dev='${'x'.repeat(MANY)}'/>${chain}</disk>`;
    expect(outcome('domain-vm1.xml', `<domain><devices>${disk}</devices></domain>`)).toBe('MA_UNREADABLE');
  });
});

describe('tables that mean harm', () => {
  it('exports of one long path to many clients: what does not fit is told as a gap', () => {
    const events = snapshot('exports', `/short host(rw)\n/${'a'.repeat(MANY)}${' x'.repeat(100_000)}\n`);
    expect(events.map(({ kind }) => kind)).toEqual(['HostFactsRead', 'GapDetected']);
    expect(events[0]?.body).toMatchObject({ exports: [{ path: '/short', options: 'host(rw)' }] });
    expectStorable(events);
  });

  it('exports with long defaults for many clients: the same', () => {
    const events = snapshot('exports', `/a -${'r'.repeat(MANY)}${' x'.repeat(100_000)}\n`);
    expect(events.map(({ kind }) => kind)).toEqual(['HostFactsRead', 'GapDetected']);
    expectStorable(events);
  });

  it.each(['9'.repeat(400), '4294967296', '-99999999999', `0x${'f'.repeat(100)}`])(
    'auditctl -s that has lost %s cannot be read',
    (lost) => {
      const status = `enabled 1\nlost ${lost}\nbacklog_limit 64\nrate_limit 0\n`;
      expect(snapshot('auditctl-s', status).map(({ kind }) => kind)).toEqual(['GapDetected']);
    },
  );

  it.each([
    ['mountinfo', '61 28 0:45 / /mnt rw - nfs a rw\n'.repeat(100_000)],
    ['mountinfo', `61 28 0:45 / /mnt ${'a,'.repeat(MANY)} - nfs a rw\n`],
    ['mountinfo', 'x\n'.repeat(2 * MANY)],
    ['mountinfo', Buffer.alloc(4 * MANY, 0xff)],
    ['mountinfo', '61 28 0:45 / /m\\777\\40\\ - nfs a rw\n'],
    ['qemu.conf', 'user = [ 1, '.repeat(MANY / 4)],
    ['qemu.conf', 'a = """\n'.repeat(MANY / 2)],
    ['qemu.conf', `a = [\n${'1\n'.repeat(MANY)}`],
    ['qemu.conf', `user = ${'9'.repeat(1000)}\n`],
    ['qemu.conf', `a = "x"${' '.repeat(MANY)}b`],
    ['id-x', `uid=1(a) gid=2(b) groups=${'3(c),'.repeat(MANY)}4(d)\n`],
    ['domstate-a', `running (${'a'.repeat(4 * MANY)})\n`],
    ['auditctl-l', '-a x\n'.repeat(MANY)],
    ['virsh-version', 'A'.repeat(4 * MANY)],
    ['hostname', 'a'.repeat(4 * MANY)],
  ])('a %s of absurd size (%#)', (name, content) => {
    expectStorable(outcome(name, content));
  });
});
