import { canOpen, createIncarnation, failBoot, finishBoot, prepareBoot, recordBooted } from './guest.js';
import { sayLifecycle } from './records.js';
import type { Activity } from './scheduler.js';
import { isHeard, pause, type Stage } from './stage.js';
import type { SimGuest, SimHost } from './world.js';

/**
 * The same guest started on another host while it runs, without any migration. With image locks QEMU refuses and
 * the failed start gives the labels back under the running guest; without, two guests write one image.
 */
export function* startSecond(stage: Stage, guest: SimGuest, host: SimHost, locked: boolean): Activity {
  sayLifecycle(stage, host, guest.name, 'Defined', 'Added');
  yield pause(stage, 500, 3000);
  const incarnation = createIncarnation(stage, guest, host, 'second');
  yield* prepareBoot(stage, incarnation, { owner: 'second-start', context: 'second-start' });
  if (locked || !canOpen(incarnation)) {
    yield* failBoot(stage, incarnation, 'second-start');
    return;
  }
  finishBoot(stage, incarnation, host.plan.streams.includes('audit') || isHeard(host));
  yield pause(stage, 10, 30);
  recordBooted(stage, incarnation, 'booted');
}
