import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../../src/domain/byte-text.js';
import type { RelabelObserved } from '../../../src/events/event.js';
import { accountedBytes, eventsOf, facts, RECORDS, read, recordFile, scenarios } from './reading.js';

interface Truth {
  name: string;
  events: number;
  syscall?: string;
  path?: string;
  path_hex?: string;
  path_len?: number;
  relname?: string;
  dirfd?: string;
  cwd?: string;
  old?: [number, number];
  new?: [number, number];
  mode?: string;
  exit?: number;
  result?: number | null;
  size?: number;
  xattr?: string;
  tool?: string;
  as_uid?: number;
  rdev?: string;
}

/** Samples that are no relabel by the file's own call, or several events. */
const OTHER_SAMPLES = new Set(['iouring-setxattr', 'rename', 'selinux-avc-nevertask']);
const FD_SAMPLES = new Set([
  'fchown-ok',
  'fchmod-ok',
  'fsetxattr-ok',
  'fremovexattr-ok',
  'fchownat-empty-path',
]);

function truthOf(scenario: string): Truth {
  return JSON.parse(recordFile(scenario, 'truth.json').toString('utf8')) as Truth;
}

function id(value: number): number | null {
  return value === -1 ? null : value;
}

/** The sample's own call: helpers of the recording (chmod of a copied program) come before it. */
function relabelOf(scenario: string): RelabelObserved {
  const relabels = eventsOf(read(recordFile(scenario, 'raw.log')), 'RelabelObserved');
  return (relabels.at(-1) as { body: RelabelObserved }).body;
}

const relabelling = scenarios().filter(
  (name) => !OTHER_SAMPLES.has(name) && !name.startsWith('selinux-virt'),
);

describe('the recorded samples', () => {
  it.each(relabelling)('%s reads as the truth says', (scenario) => {
    const truth = truthOf(scenario);
    const relabel = relabelOf(scenario);
    if (truth.syscall !== undefined) expect(relabel.call).toBe(truth.syscall.replace(/32$| \(16-bit\)$/, ''));
    if (truth.new !== undefined) {
      expect(relabel.asked_uid).toBe(id(truth.new[0]));
      expect(relabel.asked_gid).toBe(id(truth.new[1]));
    }
    if (truth.old !== undefined) {
      expect(relabel.before_uid).toBe(truth.old[0]);
      expect(relabel.before_gid).toBe(truth.old[1]);
    }
    if (truth.mode !== undefined) expect(relabel.asked_mode).toBe(Number.parseInt(truth.mode, 8));
    if (truth.exit !== undefined) {
      expect(relabel.exit).toBe(truth.exit);
      expect(relabel.success).toBe(false);
    }
    if (truth.result === 0 && truth.exit === undefined) expect(relabel.success).toBe(true);
    if (truth.size !== undefined && truth.syscall !== 'setxattrat')
      expect(relabel.value_size).toBe(truth.size);
    if (truth.as_uid !== undefined) expect(relabel.uid).toBe(truth.as_uid);
    if (truth.path_hex !== undefined)
      expect(bytesOf(relabel.path as string).toString('hex')).toBe(truth.path_hex);
    else if (truth.path_len !== undefined) expect(relabel.path).toHaveLength(truth.path_len);
    else if (truth.dirfd !== undefined) expect(relabel.path).toBe(truth.relname);
    else if (truth.relname !== undefined) expect(relabel.path).toBe(`${truth.cwd}/${truth.relname}`);
    else if (truth.path !== undefined && relabel.path_quality === 'absolute')
      expect(relabel.path).toBe(truth.path);
    expect(relabel.missing_records).toEqual([]);
  });

  it.each(scenarios())('%s reads the same in every form that auditd writes', (scenario) => {
    const raw = read(recordFile(scenario, 'raw.log'));
    const enriched = read(recordFile(scenario, 'enriched.log'));
    expect(raw.rejected).toEqual([]);
    expect(withoutStamps(facts(enriched))).toEqual(withoutStamps(facts(raw)));
    if (!existsSync(join(RECORDS, scenario, 'plugin-stdin.log'))) return;
    const plugin = read(recordFile(scenario, 'plugin-stdin.log'));
    expect(withoutStamps(facts(plugin))).toEqual(withoutStamps(facts(enriched)));
  });

  it.each(scenarios())('%s: every byte is accounted for', (scenario) => {
    const bytes = recordFile(scenario, 'enriched.log');
    expect(accountedBytes(read(bytes))).toBe(bytes.length);
  });

  it('tells no more events than there were', () => {
    for (const scenario of scenarios()) {
      const { length } = eventsOf(read(recordFile(scenario, 'raw.log')), 'RelabelObserved');
      if (
        !scenario.startsWith('selinux-virt') &&
        scenario !== 'selinux-avc-nevertask' &&
        scenario !== 'rename'
      )
        expect([scenario, length]).toEqual([scenario, truthOf(scenario).events ?? 1]);
    }
  });
});

describe('how a path is known', () => {
  it.each([
    ['chown-abs-ok', 'absolute'],
    ['chown-dotdot', 'joined'],
    ['chown-relative', 'joined'],
    ['fchownat-dirfd', 'relative-to-unknown-dirfd'],
    ['fsetxattr-opath-procfd', 'proc-fd'],
    ['setxattrat-emptypath', 'file-descriptor'],
    ['chown-efault', 'none'],
    ['chown-enoent', 'absolute'],
  ])('%s: %s', (scenario, quality) => {
    expect(relabelOf(scenario).path_quality).toBe(quality);
  });

  it.each([...FD_SAMPLES])('%s names no path, only the inode', (scenario) => {
    expect(relabelOf(scenario)).toMatchObject({
      path: null,
      path_quality: 'file-descriptor',
      dev: '254:0',
      inode: '2244785',
    });
  });

  it('takes dots away from a joined path', () => {
    expect(relabelOf('chown-dotdot').path).toBe('/tmp/aud/t/images/vm1.qcow2');
  });
});

describe('which attribute an xattr call changed', () => {
  it.each([
    ['selinux-setxattr-selinux', 'security.selinux', 'certain'],
    ['selinux-invalid-context', 'security.selinux', 'certain'],
    ['selinux-trusted-dac', 'trusted.libvirt', 'likely'],
    ['setxattr-selinux-ok', 'security.selinux', 'guess'],
    ['setxattr-user-noise', 'other', 'guess'],
    ['setxattrat-ok', 'unknown', 'guess'],
    ['removexattr-ok', 'unknown', 'guess'],
    ['chown-abs-ok', null, null],
  ])('%s: %s, %s', (scenario, attribute, attribute_confidence) => {
    expect(relabelOf(scenario)).toMatchObject({ attribute, attribute_confidence });
  });

  it('has the labels from the AVC pair', () => {
    expect(relabelOf('selinux-setxattr-selinux')).toMatchObject({
      before_context: 'system_u:object_r:tmpfs_t:s0',
      asked_context: 'system_u:object_r:svirt_image_t:s0:c12,c345',
      subject: 'system_u:system_r:virtd_t:s0-s0:c0.c1023',
    });
  });

  it('has the label as it was asked for when policy does not know its type', () => {
    expect(relabelOf('selinux-invalid-context').asked_context).toBe('system_u:object_r:no_such_t:s0');
  });

  it('joins the two events of a call that no rule logs', () => {
    const reading = read(recordFile('selinux-avc-nevertask', 'raw.log'));
    const [relabel, ...more] = eventsOf(reading, 'RelabelObserved');
    expect(more).toEqual([]);
    expect(relabel?.body).toMatchObject({
      serial: 13,
      call: 'avc-only',
      before_context: 'system_u:object_r:svirt_image_t:s0:c12,c345',
      asked_context: 'system_u:object_r:virt_content_t:s0',
      pid: 103,
      inode: '2',
      success: null,
    });
    expect(relabel?.witness.toString('latin1').split('\n')).toHaveLength(2);
  });
});

it('puts every one of 1000 interleaved events together', () => {
  const reading = read(recordFile('_interleaved-parallel', 'enriched.log'));
  const relabels = eventsOf(reading, 'RelabelObserved');
  expect(relabels).toHaveLength(1000);
  expect(new Set(relabels.map((event) => event.id)).size).toBe(1000);
  for (const { body, witness } of relabels) {
    expect(body.missing_records).toEqual([]);
    expect(body.node).toBe('vm');
    expect(body.path).toBe('/tmp/aud/t/images/vm1.qcow2');
    expect(witness.toString('latin1').split('\n')).toHaveLength(4);
  }
  expect(reading.rejected).toEqual([]);
});

/** Raw and enriched samples are two runs of one program: stamps, addresses, pids and earlier owners differ. */
function withoutStamps(values: unknown[]): unknown {
  const RUN_DEPENDENT =
    /"(?:at|id|serial|pid|ppid|serial_from|serial_to|from|to|inode|before_uid|before_gid|before_mode)":("[^"]*"|[^,}]*)/g;
  return JSON.stringify(values).replace(RUN_DEPENDENT, '""');
}
