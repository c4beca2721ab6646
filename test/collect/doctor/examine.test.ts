import { describe, expect, it } from 'vitest';
import type { Condition } from '../../../src/collect/doctor/condition.js';
import { examine } from '../../../src/collect/doctor/examine.js';
import { type AuditRule, parseAuditRule } from '../../../src/collect/host/audit-rules.js';
import { SCHEMA } from '../../../src/config/schema.js';
import { captured } from '../host/support.js';

/** As auditctl prints the rules of deploy/audit when they are loaded. */
const DIR_RULES = `-a always,exit -F arch=b64 -S chown,fchown,lchown,fchownat -F dir=/images -F key=migration-audit
-a always,exit -F arch=b64 -S setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr -F dir=/images -F key=migration-audit
-a always,exit -F arch=b64 -S 463,466 -F dir=/images -F key=migration-audit
-a always,exit -F arch=b32 -S lchown,fchown,chown,lchown32,fchown32,chown32,fchownat -F dir=/images -F key=migration-audit`;
const EXE_RULES =
  '-a always,exit -F arch=b64 -S chown,fchown,lchown,setxattr,lsetxattr,fsetxattr,fchownat -F exe=/usr/sbin/libvirtd -F key=migration-audit';

function rules(text: string): { value: AuditRule[] } {
  return { value: text.split('\n').map((line) => parseAuditRule(line) as AuditRule) };
}

const READY: Condition = {
  configuration: SCHEMA.parse({ cluster: 'lab', host: 'hosta' }),
  warnings: [],
  node: '20.19.0',
  audit: {
    log: { value: captured('ok', 'hosta', 'audit.log').toString('latin1').split('\n').slice(0, 20) },
    settings: {
      value: new Map([
        ['log_format', 'RAW'],
        ['num_logs', '10'],
        ['max_log_file', '50'],
        ['max_log_file_action', 'ROTATE'],
      ]),
    },
    status: { value: { enabled: 1, lost: 0, backlog_limit: 8192, rate_limit: 0, backlog_wait_time: 60_000 } },
    rules: rules(DIR_RULES),
  },
  daemons: new Map([
    ['auditd', 100],
    ['libvirtd', 200],
  ]),
  mounts: { value: [] },
  libvirt: {
    version: { value: 'libvirt 11.3.0' },
    monitor: { unknown: 'error: access denied' },
    auditLevel: { value: null },
    imageDirectories: ['/images', '/images/deeper'],
  },
  selinux: { mode: { value: 'disabled' }, modules: { unknown: 'semodule -l: no such program' } },
  data: { value: { free_bytes: 2 ** 40 } },
  clock: { offset_us: 120, uncertainty_us: 800 },
};

type Change = {
  [K in keyof Condition]?: Condition[K] extends object | null
    ? Partial<NonNullable<Condition[K]>> | null
    : Condition[K];
};

function changed(change: Change): Condition {
  const condition: Record<string, unknown> = { ...READY };
  for (const [key, value] of Object.entries(change)) {
    const before = READY[key as keyof Condition];
    const isMerged =
      typeof value === 'object' &&
      value !== null &&
      !(value instanceof Map) &&
      !Array.isArray(value) &&
      key !== 'configuration';
    condition[key] = isMerged ? { ...(before as object), ...value } : value;
  }
  return condition as unknown as Condition;
}

/** `state id` of all that is not well */
function complaints(change: Change): string[] {
  return examine(changed(change))
    .filter(({ state }) => state !== 'well')
    .map(({ state, id }) => `${state} ${id}`);
}

describe('examine', () => {
  it('finds nothing on a host that is ready', () => {
    expect(complaints({})).toEqual([]);
  });

  const status = { enabled: 1, lost: 0, backlog_limit: 8192, rate_limit: 0, backlog_wait_time: 60_000 };
  const settings = (entries: Record<string, string>) => ({ value: new Map(Object.entries(entries)) });
  const libvirt = READY.libvirt as NonNullable<Condition['libvirt']>;

  it.each<[string, Change, string[]]>([
    ['an old Node', { node: '20.18.9' }, ['missing node']],
    [
      'a configuration with warnings',
      { warnings: ['listen.address: 0.0.0.0 can be reached'] },
      ['weak configuration'],
    ],
    [
      'no audit log',
      { audit: { log: { unknown: 'x: there is no such file' } } },
      ['missing audit-log', 'unknown audit-format'],
    ],
    [
      'a log of something else',
      { audit: { log: { value: ['Nov 24 host sshd[1]: hello'] } } },
      ['missing audit-format'],
    ],
    [
      'auditd without a log',
      { audit: { settings: settings({ write_logs: 'no', num_logs: '10', max_log_file: '50' }) } },
      ['missing audit-format'],
    ],
    [
      'a plugin without a log',
      { audit: { log: null, settings: settings({ write_logs: 'no' }) } },
      ['unknown audit-format'],
    ],
    ['no auditd', { daemons: new Map([['libvirtd', 5]]) }, ['missing auditd']],
    [
      'auditd after libvirt',
      {
        daemons: new Map([
          ['auditd', 9],
          ['virtqemud', 5],
        ]),
      },
      ['weak auditd'],
    ],
    [
      'audit that is off',
      { audit: { status: { value: { ...status, enabled: 0 } } } },
      ['missing audit-enabled'],
    ],
    [
      'a small backlog',
      { audit: { status: { value: { ...status, backlog_limit: 64 } } } },
      ['weak audit-backlog'],
    ],
    [
      'a rate limit',
      { audit: { status: { value: { ...status, rate_limit: 100 } } } },
      ['weak audit-backlog'],
    ],
    ['lost records', { audit: { status: { value: { ...status, lost: 7 } } } }, ['weak audit-lost']],
    [
      'no permission to ask the kernel',
      { audit: { status: { unknown: 'You must be root' }, rules: { unknown: 'You must be root' } } },
      ['unknown audit-enabled', 'unknown audit-backlog', 'unknown audit-lost', 'unknown audit-rules'],
    ],
    [
      'few small logs',
      { audit: { settings: settings({ num_logs: '5', max_log_file: '8' }) } },
      ['weak audit-rotation'],
    ],
    [
      'logs that end',
      { audit: { settings: settings({ max_log_file_action: 'IGNORE' }) } },
      ['weak audit-rotation'],
    ],
    ['logs that are all kept', { audit: { settings: settings({ max_log_file_action: 'keep_logs' }) } }, []],
    ['never,task', { audit: { rules: rules(`-a never,task\n${DIR_RULES}`) } }, ['missing audit-never-task']],
    [
      'no rules',
      { audit: { rules: { value: [] } } },
      ['missing audit-rules-owner', 'weak audit-rules-label', 'weak audit-rules-32-bit'],
    ],
    [
      'no rules where SELinux is on',
      {
        audit: { rules: { value: [] } },
        selinux: { mode: { value: 'enforcing' }, modules: { value: ['migration_audit'] } },
      },
      ['missing audit-rules-owner', 'missing audit-rules-label', 'weak audit-rules-32-bit'],
    ],
    [
      'images elsewhere',
      { libvirt: { ...libvirt, imageDirectories: ['/images', '/imagesX'] } },
      ['missing audit-rules-owner', 'weak audit-rules-label', 'weak audit-rules-32-bit'],
    ],
    [
      'images elsewhere that only libvirt is watched in',
      {
        audit: { rules: rules(`${DIR_RULES}\n${EXE_RULES}`) },
        libvirt: { ...libvirt, imageDirectories: ['/srv'] },
      },
      ['weak audit-rules-32-bit'],
    ],
    ['a watch', { audit: { rules: rules('-w /images -p wa -k k') } }, []],
    [
      'a watch of other things',
      { audit: { rules: rules('-w /images -p w -k k') } },
      ['missing audit-rules-owner', 'weak audit-rules-label', 'weak audit-rules-32-bit'],
    ],
    [
      'the rules of a hardening guide',
      {
        audit: {
          rules: rules(
            '-a always,exit -F arch=b64 -S chown,fchown,lchown,fchownat -F auid>=1000 -F auid!=-1 -F key=perm_mod\n-w /etc/passwd -p wa -k id',
          ),
        },
      },
      ['missing audit-rules-owner', 'weak audit-rules-label', 'weak audit-rules-32-bit'],
    ],
    [
      'a file system below a watched directory',
      {
        mounts: {
          value: [
            {
              dev: '0:45',
              root: '/',
              mount_point: '/images/nfs',
              fs_type: 'nfs4',
              source: 'nfs1:/srv',
              options: 'rw',
            },
          ],
        },
      },
      ['weak audit-late-mounts'],
    ],
    [
      'no libvirt',
      { libvirt: { ...libvirt, version: { unknown: 'error: failed to connect' } } },
      ['missing libvirt'],
    ],
    [
      'libvirt that is silent',
      { libvirt: { ...libvirt, auditLevel: { value: 0 } } },
      ['missing libvirt-audit'],
    ],
    [
      'libvirt that is closed',
      { libvirt: { ...libvirt, auditLevel: { unknown: 'may not be read' } } },
      ['unknown libvirt-audit'],
    ],
    ['a file server', { libvirt: null, daemons: new Map([['auditd', 9]]) }, []],
    [
      'SELinux without the module',
      { selinux: { mode: { value: 'permissive' }, modules: { value: ['base'] } } },
      ['weak selinux'],
    ],
    [
      'SELinux that is closed',
      { selinux: { mode: { value: 'enforcing' }, modules: { unknown: 'x' } } },
      ['unknown selinux'],
    ],
    ['no data directory', { data: { unknown: 'there is no such directory' } }, ['missing data-directory']],
    ['little room', { data: { value: { free_bytes: 1e9 } } }, ['weak data-directory']],
    ['a clock of its own', { clock: null }, ['weak clock']],
  ])('finds %s', (_what, change, found) => {
    expect(complaints(change)).toEqual(found);
  });

  it('asks for monitor events only where they are wanted', () => {
    const collect = { libvirt: { monitor_events: true } };
    const configuration = SCHEMA.parse({ cluster: 'lab', host: 'hosta', collect });
    expect(complaints({ configuration })).toEqual(['weak monitor-events']);
  });

  it('says of everything that is not well what it costs and how to mend it', () => {
    const worst = changed({
      node: '18.0.0',
      clock: null,
      libvirt: { ...libvirt, version: { unknown: 'x' } },
      data: { unknown: 'x' },
    });
    for (const { state, costs, mend } of examine(worst)) {
      expect(costs === null).toBe(state === 'well');
      expect(mend === null).toBe(state === 'well');
    }
  });
});
