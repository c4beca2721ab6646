import { canOpen, createIncarnation, failBoot, finishBoot, prepareBoot, recordBooted } from './guest.js';
import { sayLifecycle } from './records.js';
import type { Activity } from './scheduler.js';
import { isHeard, pause, type Stage } from './stage.js';
import { locksBetweenHosts, type SimGuest, type SimHost } from './world.js';

/** One disk that the guest alone may write, on storage where its lock is seen, keeps a second QEMU out. */
function isLocked(guest: SimGuest): boolean {
  return guest.disks.some(
    ({ chain, read_only, shareable }) =>
      !read_only && !shareable && chain.some(({ storage }) => locksBetweenHosts(storage)),
  );
}

/**
 * The same guest started on another host while it runs, without any migration. With image locks QEMU refuses and
 * the failed start gives the labels back under the running guest; without, two guests write one image.
 */
export function* startSecond(stage: Stage, guest: SimGuest, host: SimHost, locked: boolean): Activity {
  sayLifecycle(stage, host, guest.name, 'Defined', 'Added');
  yield pause(stage, 500, 3000);
  const incarnation = createIncarnation(stage, guest, host, 'second');
  yield* prepareBoot(stage, incarnation, { owner: 'second-start', context: 'second-start' });
  if (locked || isLocked(guest) || !canOpen(incarnation)) {
    yield* failBoot(stage, incarnation, 'second-start');
    return;
  }
  finishBoot(stage, incarnation, host.plan.streams.includes('audit') || isHeard(host));
  yield pause(stage, 10, 30);
  recordBooted(stage, incarnation, 'booted');
}
