import { describe, expect, it } from 'vitest';
import { isoStampUs, libvirtStampUs } from '../../../src/collect/libvirt/stamps.js';

describe('stamps', () => {
  it('reads libvirt, QEMU and journal stamps to the microsecond', () => {
    const second = Date.UTC(2026, 10, 23, 1, 11, 48) * 1000;
    expect(libvirtStampUs('2026-11-23 01:11:48.691+0000')).toBe(second + 691_000);
    expect(isoStampUs('2026-11-23T01:11:48.862523Z')).toBe(second + 862_523);
    expect(isoStampUs('2026-11-23T03:11:48.862523+02:00')).toBe(second + 862_523);
    expect(isoStampUs('2026-11-22T20:41:48-0430')).toBe(second);
  });

  it.each([
    '2026-13-01 00:00:00.000+0000',
    '2026-02-30 00:00:00.000+0000',
    '2026-11-23 24:00:00.000+0000',
    '2026-11-23 00:60:00.000+0000',
    '2026-11-23 00:00:00.000+0100',
    '2026-11-23 00:00:00+0000',
    '',
  ])('has no time for %j', (text) => {
    expect(libvirtStampUs(text)).toBeNull();
  });
});
