import { describe, expect, it } from 'vitest';
import { readBoot } from '../../../src/collect/host/boot.js';
import { clockState } from '../../../src/collect/host/clock-state.js';
import { program, temporaryDirectory } from '../stand-in.js';

/** `chronyc tracking`, in the form of its manual (chrony 4). */
function tracking(system: string, leap = 'Normal'): string {
  return [
    'Reference ID    : CB00710F (ntp1.example.net)',
    'Stratum         : 3',
    'Ref time (UTC)  : Tue Nov 24 09:49:17 2026',
    `System time     : ${system} of NTP time`,
    'Last offset     : +0.000001365 seconds',
    'RMS offset      : 0.000004350 seconds',
    'Frequency       : 15.500 ppm fast',
    'Residual freq   : +0.001 ppm',
    'Skew            : 0.010 ppm',
    'Root delay      : 0.013639022 seconds',
    'Root dispersion : 0.001100737 seconds',
    'Update interval : 64.2 seconds',
    `Leap status     : ${leap}`,
  ].join('\n');
}

function stateOf(output: string, exit = 0) {
  const chronyc = program(temporaryDirectory(), 'chronyc', `cat <<'END'\n${output}\nEND\nexit ${exit}`);
  return clockState(undefined, undefined, chronyc);
}

describe('clockState', () => {
  it('is positive for a clock that is ahead, with the bound of chrony', async () => {
    expect(await stateOf(tracking('0.000120000 seconds fast'))).toEqual({
      offset_us: 120,
      uncertainty_us: 7921,
    });
    expect(await stateOf(tracking('2.500000000 seconds slow'))).toMatchObject({ offset_us: -2_500_000 });
  });

  it.each([
    ['is not synchronised', tracking('0.000000000 seconds fast', 'Not synchronised'), 0],
    ['does not run', '506 Cannot talk to daemon', 1],
    ['says something else', 'System time : soon', 0],
    ['says nothing', '', 0],
  ])('is not known where chrony %s', async (_what, output, exit) => {
    expect(await stateOf(output, exit)).toBeNull();
  });

  it('is not known where there is no chrony', async () => {
    expect(await clockState(undefined, undefined, '/nonexistent/chronyc')).toBeNull();
  });
});

describe('readBoot', () => {
  it('knows this boot', async () => {
    const { id, began_us } = await readBoot();
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(began_us).toBeLessThan(Date.now() * 1000);
  });

  it('does not know one that the kernel does not tell', async () => {
    expect(await readBoot(temporaryDirectory())).toEqual({ id: null, began_us: null });
  });
});
