import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEPT_PREFIX_BYTES, MAX_LINE_BYTES } from '../../../src/collect/audit/line-scanner.js';
import { accountedBytes, eventsOf, only, read, recordFile, scenarios } from './reading.js';

const sample = Buffer.concat(scenarios().map((scenario) => recordFile(scenario, 'enriched.log')));
const lineStarts = [0, ...[...sample.keys()].filter((at) => sample[at - 1] === 10)];

type Mutation = (bytes: Buffer, at: number, value: number) => Buffer;

const MUTATIONS: Record<string, Mutation> = {
  'flips a bit': (bytes, at, value) => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] as number) ^ (1 << (value & 7));
    return copy;
  },
  'sets a byte': (bytes, at, value) => {
    const copy = Buffer.from(bytes);
    copy[at] = value;
    return copy;
  },
  'cuts out some bytes': (bytes, at, value) =>
    Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + value)]),
  'splices a part in': (bytes, at, value) =>
    Buffer.concat([bytes.subarray(0, at), bytes.subarray(value * 7, value * 9), bytes.subarray(at)]),
  'puts a NUL in': (bytes, at) =>
    Buffer.concat([bytes.subarray(0, at), Buffer.from([0]), bytes.subarray(at)]),
  'puts a 0x1d in': (bytes, at) =>
    Buffer.concat([bytes.subarray(0, at), Buffer.from([0x1d]), bytes.subarray(at)]),
  'puts a newline in': (bytes, at) =>
    Buffer.concat([bytes.subarray(0, at), Buffer.from('\n'), bytes.subarray(at)]),
  'puts a quote in': (bytes, at) =>
    Buffer.concat([bytes.subarray(0, at), Buffer.from('"'), bytes.subarray(at)]),
};

function withFinalNewline(bytes: Buffer): Buffer {
  return bytes.at(-1) === 10 ? bytes : Buffer.concat([bytes, Buffer.from('\n')]);
}

describe('whatever is done to the bytes, each is accounted for once and nothing throws', () => {
  const seeds = [822052, Date.now() & 0x7fffffff];
  it.each(Object.keys(MUTATIONS))('something %s', (name) => {
    const mutate = MUTATIONS[name] as Mutation;
    for (const seed of seeds) {
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(20_000), fc.nat(255)), { minLength: 1, maxLength: 8 }),
          fc.nat(lineStarts.length - 1),
          (mutations, first) => {
            let bytes: Buffer = sample.subarray(lineStarts[first], (lineStarts[first] as number) + 20_000);
            for (const [at, value] of mutations) bytes = mutate(bytes, at % bytes.length, value);
            bytes = withFinalNewline(bytes);
            expect(accountedBytes(read(bytes))).toBe(bytes.length);
          },
        ),
        { seed, numRuns: 60 },
      );
    }
  });

  it('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 2000 }), (random) => {
        const bytes = withFinalNewline(Buffer.from(random));
        expect(accountedBytes(read(bytes, () => 100))).toBe(bytes.length);
      }),
      { seed: 9, numRuns: 200 },
    );
  });
});

describe('lines over the limit', () => {
  const chown = recordFile('chown-abs-ok', 'raw.log');

  it.each([1 << 16, 1 << 20, 20_000_000])(
    '10 MB in chunks of %i bytes are rejected, only the beginning is kept',
    (size) => {
      const bytes = Buffer.concat([Buffer.alloc(10_000_000, 'type='), Buffer.from('\n'), chown]);
      const reading = read(bytes, () => size);
      expect(reading.rejected).toHaveLength(1);
      expect(reading.rejected[0]).toMatchObject({ reason: 'line-too-long', offset: 0 });
      expect(reading.rejected[0]?.bytes).toHaveLength(KEPT_PREFIX_BYTES);
      expect(accountedBytes(reading)).toBe(bytes.length);
      expect(eventsOf(reading, 'RelabelObserved')).toHaveLength(1);
    },
  );

  it('the limit itself is not over it, cut or not', () => {
    for (const extra of [0, 1]) {
      const line = Buffer.alloc(MAX_LINE_BYTES + extra, 'x');
      const bytes = Buffer.concat([chown, line, Buffer.from('\n')]);
      const reasons = [bytes.length, 1000].map((size) =>
        read(bytes, () => size).rejected.map((r) => [r.reason, r.offset]),
      );
      const expected = [[extra === 0 ? 'not-a-record' : 'line-too-long', chown.length]];
      expect(reasons).toEqual([expected, expected]);
    }
  });
});

describe('lines that cannot be read', () => {
  it.each([
    ['no record at all', 'hello', 'not-a-record'],
    ['nothing after type=', 'type=', 'not-a-record'],
    ['no stamp', 'type=PATH item=0', 'bad-stamp'],
    ['letters in the stamp', 'type=PATH msg=audit(17953937x6.308:375): item=0', 'bad-stamp'],
    ['a serial over 32 bits', 'type=PATH msg=audit(1795393756.308:4294967296): item=0', 'bad-stamp'],
    ['a stamp that does not close', 'type=PATH msg=audit(1795393756.308:375', 'bad-stamp'],
    [
      'a call without a number',
      'type=SYSCALL msg=audit(1795393756.308:375): arch=c000003e sysc',
      'garbled-syscall',
    ],
    [
      'a message without its end',
      "type=VIRT_CONTROL msg=audit(1795393756.308:375): pid=1 msg='op=start",
      'unterminated-message',
    ],
  ])('%s', (_what, line, reason) => {
    const reading = read(`${line}\n`);
    expect(reading.rejected).toMatchObject([{ reason, offset: 0, stream: 'audit', file: 'audit.log.1' }]);
    expect(only(reading, 'GapDetected').body).toMatchObject({ kind: 'rejected-lines', lost: 1 });
  });

  it('are told as one gap between the stamps around them', () => {
    const chown = recordFile('chown-abs-ok', 'raw.log').toString('latin1');
    const later = chown.replaceAll('(1795393756.308:375)', '(1795393760.308:376)');
    const reading = read(`${chown}${'garbage\n'.repeat(500)}${later}`);
    expect(reading.rejected).toHaveLength(500);
    expect(only(reading, 'GapDetected').body).toMatchObject({
      kind: 'rejected-lines',
      from: 1795393756308000,
      to: 1795393760308000,
      lost: 500,
      serial_from: 375,
      serial_to: 376,
    });
  });

  it('a PATH record that breaks off leaves the call, and says what is missing', () => {
    const chown = recordFile('chown-abs-ok', 'raw.log')
      .toString('latin1')
      .replace(/inode=2244785.*/, 'ino');
    expect(only(read(chown), 'RelabelObserved').body).toMatchObject({
      asked_uid: 64055,
      path: null,
      path_quality: 'none',
      inode: null,
      missing_records: ['PATH'],
    });
  });

  it('text in a name is never a field', () => {
    const name = '/img/x inode=1 nametype=NORMAL';
    const hex = Buffer.from(name).toString('hex').toUpperCase();
    const chown = recordFile('chown-abs-ok', 'raw.log').toString('latin1');
    for (const written of [`"${name}"`, hex]) {
      const relabel = only(
        read(chown.replace('"/tmp/aud/t/images/vm1.qcow2"', written)),
        'RelabelObserved',
      ).body;
      expect(relabel).toMatchObject({ path: name, inode: '2244785' });
    }
  });
});
