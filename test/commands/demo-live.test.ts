import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../architecture/source-tree.js';
import { runCommand } from './run-command.js';

it('demo --live shows the finding while the incident plays, and in the end what replay says of it', async () => {
  const { exit, out, err } = await runCommand(['demo', '--live']);
  expect({ exit, err }).toEqual({ exit: 0, err: '' });
  const [, played = '', page = ''] = out.split(/^─+$/m);
  const lines = played.trim().split('\n');
  const call = lines.findIndex((line) => line.includes('chown /var/lib/libvirt/images/nfs/vm1.qcow2 to 0:0'));
  const found = lines.findIndex((line) => line.includes('>>> VIOLATION'));
  expect(call).toBeGreaterThanOrEqual(0);
  expect(found).toBeGreaterThan(call);
  const replayed = await runCommand(['replay', join(ROOT, 'examples/s4-mismatch-fail')]);
  const story = (text: string) => /^VIOLATION[\s\S]*?(?=^WHY)/m.exec(text)?.[0];
  expect(story(page)).toBe(story(replayed.out));
  expect(story(page)).toBeDefined();
});
