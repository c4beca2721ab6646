import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { KernelLossesSource } from '../../../src/collect/host/kernel-losses.js';
import type { RunProgram } from '../../../src/collect/process/run-program.js';
import { HastyClock, Received, start } from '../stand-in.js';

const CAPTURES = join(import.meta.dirname, '../../golden/captures');
const RULES = readFileSync(join(CAPTURES, 'ok/hosta/auditctl-l'), 'utf8');
const STATUS = readFileSync(join(CAPTURES, 'audit-stress-lost/hosta/auditctl-s'), 'utf8');
const LOST = Number(/^lost (\d+)$/m.exec(STATUS)?.[1]);
const PATIENCE = { timeout: 10_000, interval: 5 };
const BOOT = { id: '11111111-2222-3333-4444-555555555555', began_us: 1_795_000_000_000_000 };

interface Kernel {
  lost: number;
  enabled: number;
  rules: string;
  refuses?: string;
}

/** Asks each of these kernels once, then the last one for ever. */
async function asking(kernels: Kernel[], checkpoint: Buffer | null = null, boot = BOOT) {
  const asked = { times: 0 };
  const run: RunProgram = async (_path, [option]) => {
    const kernel = kernels[Math.min(asked.times, kernels.length - 1)] as Kernel;
    if (option === '-l' || kernel.refuses !== undefined) asked.times++;
    if (kernel.refuses !== undefined)
      return { exit: 4, said: '', failure: kernel.refuses, stdout: Buffer.alloc(0) };
    const status = STATUS.replace(/^lost \d+/m, `lost ${kernel.lost}`).replace(
      /^enabled \d/m,
      `enabled ${kernel.enabled}`,
    );
    return { exit: 0, said: '', failure: null, stdout: Buffer.from(option === '-l' ? kernel.rules : status) };
  };
  const clock = new HastyClock();
  const source = new KernelLossesSource({
    ...{ cluster: 'lab', host: 'hosta', boot, auditctl: '/usr/sbin/auditctl', clock, run },
    every_s: () => 60,
  });
  const { received, stop } = start(source, checkpoint, new Received());
  await vi.waitFor(() => expect(asked.times).toBeGreaterThan(kernels.length), PATIENCE);
  await stop();
  const gaps = received.of('GapDetected').map(({ body }) => body);
  return { source, received, gaps, checkpoint: received.checkpoint };
}

const GOOD: Kernel = { lost: 0, enabled: 1, rules: RULES };

describe('KernelLossesSource', () => {
  it('says nothing while nothing is lost', async () => {
    const { gaps, received, source } = await asking([GOOD]);
    expect(gaps).toEqual([]);
    expect(received).toMatchObject({ ups: 1, downs: [] });
    expect(source.lostRecords()).toBe(0);
    expect(source.watermark_us()).toBeLessThanOrEqual(Date.now() * 1000);
  });

  it('says once what was lost since boot, then what is lost between two questions', async () => {
    const { gaps, source } = await asking([
      { ...GOOD, lost: LOST },
      { ...GOOD, lost: LOST },
      { ...GOOD, lost: LOST + 7 },
    ]);
    expect(gaps).toMatchObject([
      { kind: 'audit-lost', of_stream: 'audit', from: BOOT.began_us, lost: LOST },
      { kind: 'audit-lost', lost: 7 },
    ]);
    expect(gaps[1]?.from).toBeGreaterThan(BOOT.began_us);
    expect(source.lostRecords()).toBe(LOST + 7);
  });

  it('counts on from before a restart of the collector', async () => {
    const first = await asking([{ ...GOOD, lost: 100 }]);
    const { at_us } = JSON.parse(String(first.checkpoint)) as { at_us: number };
    const { gaps } = await asking([{ ...GOOD, lost: 130 }], first.checkpoint);
    expect(gaps).toMatchObject([{ kind: 'audit-lost', from: at_us, lost: 30 }]);
  });

  it('counts from zero after a reboot', async () => {
    const first = await asking([{ ...GOOD, lost: 100 }]);
    const boot = { id: '99999999-2222-3333-4444-555555555555', began_us: 1_795_100_000_000_000 };
    expect((await asking([{ ...GOOD, lost: 5 }], first.checkpoint, boot)).gaps).toMatchObject([
      { kind: 'audit-lost', from: boot.began_us, lost: 5 },
    ]);
  });

  it('does not know how many were lost before somebody reset the count', async () => {
    const { gaps } = await asking([{ ...GOOD, lost: 0 }, { ...GOOD, lost: 50 }, GOOD]);
    expect(gaps).toMatchObject([{ lost: 50 }, { kind: 'audit-lost', lost: null }]);
  });

  it.each([
    ['switched off', { ...GOOD, enabled: 0 }],
    ['without rules', { ...GOOD, rules: 'No rules\n' }],
    [
      'with rules about something else',
      { ...GOOD, rules: '-w /etc/passwd -p wa -k id\n-a always,exit -F arch=b64 -S execve\n' },
    ],
  ])('has a gap for as long as recording is %s', async (_what, kernel) => {
    const { gaps } = await asking([GOOD, kernel, kernel, GOOD]);
    const closed = gaps.filter(({ kind }) => kind === 'audit-disabled');
    expect(closed).toHaveLength(2);
    expect(closed[0]?.to).toBe(closed[1]?.from);
  });

  it('mentions that other rules are loaded', async () => {
    const { gaps } = await asking([GOOD, { ...GOOD, rules: `${RULES}-w /etc/shadow -p wa\n` }]);
    expect(gaps).toMatchObject([{ kind: 'audit-rules-changed', lost: null }]);
  });

  it('says why it may not ask, and what was lost meanwhile when it may again', async () => {
    const refused = { ...GOOD, refuses: 'You must be root to run this program.' };
    const { gaps, received } = await asking([GOOD, refused, refused, { ...GOOD, lost: 3 }]);
    expect(new Set(received.downs)).toEqual(
      new Set(['/usr/sbin/auditctl -s: You must be root to run this program.']),
    );
    expect(received.ups).toBe(2);
    expect(gaps).toMatchObject([{ kind: 'audit-lost', lost: 3 }]);
  });

  it.each(['', '{"lost":1}', '{"at_us":1e30,"lost":1}', '\xff'])(
    'starts anew from the damaged checkpoint %j',
    async (text) => {
      const { gaps } = await asking([{ ...GOOD, lost: 9 }], Buffer.from(text, 'latin1'));
      expect(gaps).toMatchObject([{ from: BOOT.began_us, lost: 9 }]);
    },
  );
});
