import { Lab } from './lab.js';
import type { Scenario, Variant } from './scenarios.js';
import { admin, top } from './steps.js';

/** Names that the logs' own syntax could be mistaken in. */
const NAMES = {
  'a number sign': 'vm#1.raw',
  'bars and NUL-like text': 'path|dev:0:5#12|\\0inode.raw',
  blanks: 'vm 1 (copy).raw',
  quotes: `it's "vm1".raw`,
  'letters beyond ASCII': 'größe-磁盘.raw',
  'hex digits': 'DEADBEEF',
  'what a record’s end looks like': 'x nametype=NORMAL res=success',
  'the end of a stamp': 'audit(1795396307.288:2571):',
};

function taken(name: string, below: boolean): (variant?: Variant) => Scenario {
  return (variant) => {
    const lab = new Lab({}, variant);
    const vm1 = lab.guest('vm1', [[lab.file(name)]]);
    lab.wait(4000);
    // `chown -R` leaves a name without its directory, and no other record gives the inode
    lab.chown('hostb', top(vm1), 0, {
      by: admin(lab, 'hostb'),
      ...(below ? { below: '/root' } : {}),
    });
    lab.ioErrors(vm1, 'hosta', 2);
    return { lab, causes: ['foreign-program'] };
  };
}

export const NAME_SCENARIOS: Record<string, (variant?: Variant) => Scenario> = Object.fromEntries(
  Object.entries(NAMES).flatMap(([what, name]) => [
    [`an image whose name has ${what}, taken by name`, taken(name, false)],
    [`an image whose name has ${what}, taken by chown -R`, taken(name, true)],
  ]),
);
