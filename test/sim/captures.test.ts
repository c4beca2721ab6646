import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Step } from '../../src/sim/plan.js';
import { simulate } from '../../src/sim/simulate.js';
import { GUEST, type LabOptions, labPlan } from './plans.js';
import { type Shape, shapeOfCapture, shapeOfEvents } from './shape.js';

const CAPTURES = join(import.meta.dirname, '../golden/captures');
const guest = GUEST;
const migrate = (course: Extract<Step, { do: 'migrate' }>['course'], to = 'hostb'): Step => ({
  do: 'migrate',
  guest,
  to,
  course,
});
const repair: Step = { do: 'foreign', act: 'repair', guest, on: 'hosta' };

const SCENARIOS: Record<string, { lab?: LabOptions; script: Step[] }> = {
  start: { lab: { runs: false }, script: [{ do: 'start', guest }] },
  shutdown: { script: [{ do: 'destroy', guest }] },
  ok: { script: [migrate('ok')] },
  paused: {
    script: [
      { do: 'suspend', guest },
      migrate('ok'),
      { do: 'wait', ms: 5000 },
      migrate('ok', 'hosta'),
      { do: 'resume', guest },
    ],
  },
  's2-port': { script: [migrate('prepare-fails-after-labelling')] },
  's2-port-p9': {
    lab: { storage: 'p9', selinux: 'permissive' },
    script: [migrate('prepare-fails-after-labelling')],
  },
  's3-p9-ok': { lab: { storage: 'p9', selinux: 'permissive' }, script: [migrate('ok')] },
  's4-mismatch-fail': { lab: { hostb_uid: 0 }, script: [migrate('prepare-fails-after-labelling')] },
  's4-mismatch-ok': { lab: { hostb_uid: 0 }, script: [migrate('ok')] },
  's4-squash': { lab: { hostb_uid: 0, storage: 'squash', chain: ['vm3.raw'] }, script: [migrate('ok')] },
  'local-copy': { lab: { storage: 'local', chain: ['vm2.raw'] }, script: [migrate('ok')] },
  offline: {
    lab: { runs: false },
    script: [migrate('offline'), { do: 'wait', ms: 8000 }, { do: 'start', guest }],
  },
  'second-start-locked': {
    script: [{ do: 'second-start', guest, on: 'hostb', locked: true }, repair],
  },
  'bounce-restart': { lab: { seed: 3 }, script: [migrate('destination-daemon-restarts'), repair] },
  'source-crash-late': { script: [migrate('source-daemon-dies-after-takeover')] },
  'selinux-ok': { lab: { selinux: 'permissive' }, script: [migrate('ok')] },
};

describe('a simulated history has the shape of the real one', () => {
  for (const [scenario, { lab, script }] of Object.entries(SCENARIOS)) {
    it(scenario, () => {
      const simulated = shapeOfEvents(simulate(labPlan(lab ?? {}, script)).events);
      expect(comparable(simulated)).toEqual(comparable(shapeOfCapture(join(CAPTURES, scenario))));
    });
  }

  it('postcopy, where the end of the copy and the resume come in either order', () => {
    const simulated = shapeOfEvents(simulate(labPlan({}, [migrate('post-copy')])).events);
    const without = (shape: Shape) =>
      Object.fromEntries(
        Object.entries(comparable(shape)).map(([key, words]) => [
          key,
          words.filter((word) => word !== 'completed'),
        ]),
      );
    expect(without(simulated)).toEqual(without(shapeOfCapture(join(CAPTURES, 'postcopy'))));
  });
});

/** Streams with nothing to compare say nothing. */
function comparable(shape: Shape): Shape {
  return Object.fromEntries(Object.entries(shape).filter(([, words]) => words.length > 0));
}
