import { describe, expect, it } from 'vitest';
import type { EventOf, GapKind } from '../../src/events/event.js';
import { GapLimit } from '../../src/replay/gap-limit.js';

function gap(n: number, body: Partial<EventOf<'GapDetected'>['body']> = {}): EventOf<'GapDetected'> {
  return {
    cluster: 'test',
    host: 'hosta',
    boot: null,
    stream: 'audit',
    sequence: n,
    at: n * 1000,
    id: `gap ${n}`,
    witness: Buffer.alloc(20_000, 'x'),
    kind: 'GapDetected',
    body: {
      kind: 'audit-serial-gap',
      of_stream: 'audit',
      from: n * 1000,
      to: n * 1000 + 500,
      lost: 2,
      serial_from: n,
      serial_to: n,
      detail: 'serials that no record had',
      ...body,
    },
  };
}

describe('the limit of gaps', () => {
  it('keeps the first thousand of a kind and joins all others to one that spans them', () => {
    const limit = new GapLimit();
    const admitted = Array.from({ length: 1500 }, (_, n) => limit.admit(gap(n))).filter(
      (each) => each !== null,
    );
    expect(admitted).toHaveLength(1000);
    const [rest, ...more] = [...limit.rests()];
    expect(more).toEqual([]);
    expect(rest?.body).toMatchObject({ from: 1_000_000, to: 1_499_500, lost: 1000, serial_from: null });
  });

  it('reaches to the edge of the stream where one of the joined gaps does', () => {
    const limit = new GapLimit();
    for (let n = 0; n < 1003; n++) limit.admit(gap(n, n === 1001 ? { to: null, lost: null } : {}));
    expect([...limit.rests()].map(({ body }) => body)).toMatchObject([
      { from: 1_000_000, to: null, lost: 4 },
    ]);
  });

  it('counts kinds and hosts apart, and says nothing of those with few gaps', () => {
    const limit = new GapLimit();
    const kinds: GapKind[] = ['audit-cut-event', 'audit-serial-gap'];
    for (let n = 0; n < 1800; n++)
      expect(limit.admit(gap(n, { kind: kinds[n % 2] as GapKind }))).not.toBeNull();
    expect([...limit.rests()]).toEqual([]);
  });

  it('takes a gap that is told again for the same one', () => {
    const limit = new GapLimit();
    for (let again = 0; again < 2; again++)
      for (let n = 0; n < 1000; n++) expect(limit.admit(gap(n))?.id).toBe(`gap ${n}`);
    expect([...limit.rests()]).toEqual([]);
  });

  it('keeps the beginning of a long witness', () => {
    expect(new GapLimit().admit(gap(1))?.witness.length).toBe(16_384);
  });
});
