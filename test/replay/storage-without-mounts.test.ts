import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CorrelatorOptions } from '../../src/correlate/correlate.js';
import { sourcesOfCapture } from '../../src/replay/capture.js';
import { replay } from '../../src/replay/replay.js';
import { temporaryDirectory } from './temporary-directory.js';

const CAPTURE = new URL('../golden/captures/s4-mismatch-fail/', import.meta.url).pathname;
const IMAGES = '/var/lib/libvirt/images';

/** What is told of the guest's calls on the failed destination when nothing says what is mounted there. */
async function verdicts(correlator: CorrelatorOptions, ofOwner: readonly string[] = []): Promise<string[]> {
  const directory = temporaryDirectory();
  const files = [...ofOwner.map((file) => `hosta/${file}`), 'hostb/audit.log', 'hostb/qemu-vm1.log'];
  for (const file of files) cpSync(join(CAPTURE, file), join(directory, file));
  const { report } = await replay(await sourcesOfCapture(directory), { cluster: 'lab', correlator });
  return report.relabels.map(({ image, verdict, reason }) => `${image.path} ${verdict} ${reason}`);
}

describe('calls on a host whose mounts are not known', () => {
  it('are tied to their guests by name, and doubted, while nothing is configured', async () => {
    expect(await verdicts({})).toEqual([
      `${IMAGES}/nfs/vm1.qcow2 undetermined storage-unknown`,
      `${IMAGES}/nfs/base.raw undetermined storage-unknown`,
    ]);
  });

  it('lack what the owner needs, and no more, where the storage is configured to be shared', async () => {
    expect(await verdicts({ sharedPaths: [IMAGES] })).toEqual([
      `${IMAGES}/nfs/vm1.qcow2 undetermined need-unknown`,
      `${IMAGES}/nfs/base.raw undetermined need-unknown`,
    ]);
  });

  it('are violations on storage configured to be shared, beside the record of the owner', async () => {
    const ofOwner = ['audit.log', 'qemu-vm1.log', 'qemu.conf', 'capabilities.xml'];
    expect(await verdicts({ sharedPaths: [IMAGES] }, ofOwner)).toEqual([
      `${IMAGES}/nfs/vm1.qcow2 violation non-owner-relabel`,
      `${IMAGES}/nfs/base.raw violation non-owner-relabel`,
    ]);
  });

  it('are clean where the storage is configured to be of one host', async () => {
    expect(await verdicts({ localPaths: [IMAGES] })).toEqual([
      `${IMAGES}/nfs/vm1.qcow2 clean host-local`,
      `${IMAGES}/nfs/base.raw clean host-local`,
    ]);
  });
});
