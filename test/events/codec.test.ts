import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MigrationAuditError } from '../../src/domain/errors.js';
import { decodeEvent, encodeEvent, MAX_EVENT_BYTES } from '../../src/events/codec.js';
import type { Event } from '../../src/events/event.js';
import { CURRENT_SCHEMA } from '../../src/events/released-schemas.js';
import { arbitraryEvent } from './arbitrary-event.js';
import { SAMPLE_EVENTS, sampleEvent } from './sample-events.js';
import { SEEDS } from './seeds.js';

function errorOf(run: () => unknown): MigrationAuditError {
  try {
    run();
  } catch (error) {
    if (error instanceof MigrationAuditError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('an event survives its encoding', () => {
  it.each(SAMPLE_EVENTS.map((event) => [event.kind, event] as const))('%s', (_, event) => {
    expect(decodeEvent(encodeEvent(event))).toEqual(event);
  });

  it.each(SEEDS)('whatever it holds (seed %i)', (seed) => {
    fc.assert(
      fc.property(arbitraryEvent(), (event) => {
        expect(decodeEvent(encodeEvent(event))).toEqual(event);
      }),
      { seed, numRuns: 400 },
    );
  });

  it('when it is larger than any before, and when a small one follows', () => {
    const large = sampleEvent('VcpusStopped', { witness: Buffer.alloc(200_000, 0xe9) });
    const small = sampleEvent('VcpusStopped');
    const encoded = [encodeEvent(small), encodeEvent(large), encodeEvent(small)];
    expect(encoded.map(decodeEvent)).toEqual([small, large, small]);
  });

  it('and is a memory of its own, which later encodings leave alone', () => {
    const first = encodeEvent(sampleEvent('VcpusStopped'));
    const copy = Buffer.from(first);
    encodeEvent(sampleEvent('HostFactsRead'));
    expect(first.equals(copy)).toBe(true);
  });

  it('with a word that this version does not know', () => {
    const event = sampleEvent('GapDetected');
    const newer = { ...event, body: { ...event.body, kind: 'moon-phase' } } as unknown as Event;
    expect(decodeEvent(encodeEvent(newer))).toEqual(newer);
  });
});

describe('the encoded form', () => {
  it('begins with the marker and the fingerprint of the newest release, least significant byte first', () => {
    const fingerprint = Buffer.from(CURRENT_SCHEMA.fingerprint, 'hex').reverse();
    const header = encodeEvent(sampleEvent('Heartbeat')).subarray(0, 10);
    expect(header).toEqual(Buffer.concat([Buffer.from([0xc3, 0x01]), fingerprint]));
  });

  it('keeps the bytes of a name that is not UTF-8', () => {
    const bytes = encodeEvent(sampleEvent('DomainEventSeen'));
    expect(bytes.includes(Buffer.from([0xff, 0xed, 0xa0, 0x80]))).toBe(true);
  });

  it('has valid UTF-8 in text of our own even when it is given half a character', () => {
    for (const host of ['h\udcff', `${'h'.repeat(100)}\ud800`]) {
      const decoded = decodeEvent(encodeEvent(sampleEvent('Heartbeat', { host })));
      expect(decoded.host).toBe(host.replace(/.$/, '\ufffd'));
    }
  });
});

describe('an event that is none is refused', () => {
  it('naming the field that does not fit', () => {
    const event = sampleEvent('GuestStarted');
    const broken = { ...event, body: { ...event.body, qemu_pid: 1e300 } } as Event;
    const error = errorOf(() => encodeEvent(broken));
    expect(error.code).toBe('MA_BAD_EVENT');
    expect(error.message).toContain('body.GuestStarted.qemu_pid is not of its type');
  });

  it.each([2 ** 52, -(2 ** 52), -(2 ** 52) - 1, 2 ** 53 - 2])(
    'when a number, %i, would not arrive exact',
    (at) => {
      expect(errorOf(() => encodeEvent(sampleEvent('Heartbeat', { at }))).code).toBe('MA_BAD_EVENT');
    },
  );

  it('when its kind is unknown', () => {
    const error = errorOf(() =>
      encodeEvent({ ...sampleEvent('Heartbeat'), kind: 'Rumour' } as unknown as Event),
    );
    expect(error.code).toBe('MA_BAD_EVENT');
  });

  it('when it is too large', () => {
    const error = errorOf(() =>
      encodeEvent(sampleEvent('Heartbeat', { witness: Buffer.alloc(MAX_EVENT_BYTES) })),
    );
    expect(error.code).toBe('MA_BAD_EVENT');
  });
});

describe('bytes that are no event', () => {
  const header = encodeEvent(sampleEvent('Heartbeat')).subarray(0, 10);

  it('of a schema that nobody released are refused with its fingerprint', () => {
    const bytes = encodeEvent(sampleEvent('Heartbeat'));
    bytes.set([0xef, 0xbe, 0xad, 0xde, 0, 0, 0, 0], 2);
    const error = errorOf(() => decodeEvent(bytes));
    expect([error.code, error.where]).toEqual(['MA_UNKNOWN_SCHEMA', 'schema 00000000deadbeef']);
  });

  it.each([
    ['nothing at all', Buffer.alloc(0), 'offset 0'],
    ['another format', Buffer.from('{"cluster":"lab"}'), 'offset 0'],
    ['only the marker', Buffer.from([0xc3, 0x01]), 'offset 2'],
    ['only a header', header, 'offset 10'],
    ['a text of 2^40 bytes', Buffer.concat([header, varint(2 ** 41)]), 'offset 10'],
    ['a text of negative length', Buffer.concat([header, Buffer.from([0x01])]), 'offset 10'],
    ['a number without end', Buffer.concat([header, Buffer.alloc(40, 0x80)]), 'offset 10'],
    ['a text that is no UTF-8', Buffer.concat([header, Buffer.from([0x02, 0xff])]), 'offset 11'],
  ])('%s', (_, bytes, where) => {
    const error = errorOf(() => decodeEvent(bytes));
    expect([error.code, error.where]).toEqual(['MA_BAD_EVENT', where]);
  });

  it('an array of 2^40 items takes neither memory nor time', () => {
    const event = { ...sampleEvent('GuestsListed'), body: { complete: true, guests: [] } } as Event;
    const bytes = encodeEvent(event);
    const hostile = Buffer.concat([bytes.subarray(0, -1), varint(2 ** 41)]);
    const error = errorOf(() => decodeEvent(hostile));
    expect([error.code, error.where]).toEqual(['MA_BAD_EVENT', `offset ${bytes.length - 1}`]);
  });

  it('cut at any byte, or with a byte too many', () => {
    for (const event of SAMPLE_EVENTS) {
      const bytes = encodeEvent(event);
      for (let length = 0; length < bytes.length; length++) {
        expect(errorOf(() => decodeEvent(bytes.subarray(0, length))).code).toBe('MA_BAD_EVENT');
      }
      const longer = errorOf(() => decodeEvent(Buffer.concat([bytes, Buffer.alloc(1)])));
      expect(longer.where).toBe(`offset ${bytes.length}`);
    }
  });

  it('with any one byte changed give an event or a MigrationAuditError', () => {
    for (const event of SAMPLE_EVENTS) {
      const bytes = encodeEvent(event);
      for (let at = 0; at < bytes.length; at++) {
        for (const flip of [0x01, 0x02, 0x80, 0xff]) {
          const changed = Buffer.from(bytes);
          changed[at] = (changed[at] as number) ^ flip;
          expectEventOrError(changed);
        }
      }
    }
  });

  it.each(SEEDS)('made of anything give an event or a MigrationAuditError (seed %i)', (seed) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (tail) => {
        expectEventOrError(Buffer.concat([header, tail]));
      }),
      { seed, numRuns: 3000 },
    );
  });
});

function expectEventOrError(bytes: Buffer): void {
  try {
    decodeEvent(bytes);
  } catch (error) {
    if (!(error instanceof MigrationAuditError)) throw error;
  }
}

/** Avro's variable-length form of an even, already doubled number. */
function varint(zigzag: number): Buffer {
  const bytes: number[] = [];
  let rest = zigzag;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}
