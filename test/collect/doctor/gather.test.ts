import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gather } from '../../../src/collect/doctor/gather.js';
import { SCHEMA } from '../../../src/config/schema.js';
import { program, StandInVirsh, temporaryDirectory } from '../stand-in.js';

const CAPTURE = join(import.meta.dirname, '../../golden/captures/s4-mismatch-fail/hosta');
const UUID = 'aaaaaaaa-0000-4000-8000-000000000001';

function tree(files: Record<string, string | Buffer>): string {
  const root = temporaryDirectory();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

function capturedFile(name: string): Buffer {
  return readFileSync(join(CAPTURE, name));
}

function configured(virsh: string, auditctl: string) {
  const collect = { libvirt: { virsh }, kernel_losses: { auditctl } };
  return SCHEMA.parse({ cluster: 'lab', host: 'hosta', data_directory: '/data', collect });
}

describe('gather', () => {
  it('finds what a host is like', async () => {
    const virsh = new StandInVirsh()
      .run(1, '')
      .answer('list', `${UUID} vm1\n`)
      .answer(`state-${UUID}`, 'running (booted)\n')
      .answer(`xml-${UUID}`, capturedFile('domain-vm1.xml'))
      .answer('version', capturedFile('virsh-version'));
    const directory = temporaryDirectory();
    const auditctl = program(directory, 'auditctl', `cat '${CAPTURE}'/auditctl$1`);
    const stat = `123 (libvirtd) S ${Array.from({ length: 18 }, () => 0).join(' ')} 4711 0 0\n`;
    const root = tree({
      '/var/log/audit/audit.log': capturedFile('audit.log'),
      '/etc/audit/auditd.conf': '# x\nLog_Format = RAW\nnum_logs = 5\n',
      '/etc/libvirt/libvirtd.conf': capturedFile('libvirtd.conf'),
      '/proc/1/mountinfo': capturedFile('mountinfo'),
      '/proc/1/stat': `1 (a) b) S ${'0 '.repeat(30)}\n`,
      '/proc/123/stat': stat,
      '/sys/fs/selinux/enforce': '1',
      '/data/x': '',
    });
    const condition = await gather({ configuration: configured(virsh.path, auditctl), warnings: [], root });
    expect(condition).toMatchObject({
      node: process.versions.node,
      audit: {
        settings: {
          value: new Map([
            ['log_format', 'RAW'],
            ['num_logs', '5'],
          ]),
        },
        status: { value: { enabled: 1, backlog_limit: 8192 } },
      },
      daemons: new Map([['libvirtd', 4711]]),
      libvirt: { version: { value: 'libvirt 11.3.0' }, monitor: { value: true }, auditLevel: { value: 1 } },
      selinux: { mode: { value: 'enforcing' } },
      data: { value: { free_bytes: expect.any(Number) } },
    });
    expect(condition.libvirt?.imageDirectories).toContain('/var/lib/libvirt/images/nfs');
    expect('value' in condition.audit.rules && condition.audit.rules.value.length).toBe(4);
    expect(
      condition.audit.log !== null && 'value' in condition.audit.log && condition.audit.log.value[0],
    ).toMatch(/^type=/);
    expect('value' in condition.mounts && condition.mounts.value.length).toBeGreaterThan(10);
  });

  it('says of everything that is not there why it is not known', async () => {
    const nowhere = join(temporaryDirectory(), 'nothing');
    const condition = await gather({
      configuration: configured(nowhere, nowhere),
      warnings: [],
      root: nowhere,
    });
    expect(condition).toMatchObject({
      audit: {
        log: { unknown: expect.stringContaining('there is no such file') },
        settings: { unknown: expect.any(String) },
        status: { unknown: expect.stringContaining('no such program') },
        rules: { unknown: expect.stringContaining('no such program') },
      },
      daemons: new Map(),
      mounts: { unknown: expect.any(String) },
      libvirt: {
        version: { unknown: expect.any(String) },
        monitor: { unknown: expect.any(String) },
        auditLevel: { value: null },
      },
      selinux: { mode: { value: 'disabled' } },
      data: { unknown: expect.stringContaining('there is no such directory') },
    });
  });

  it('reads the end of a long log, and no half line', async () => {
    const line = capturedFile('audit.log').toString('latin1').split('\n')[0] as string;
    const root = tree({ '/var/log/audit/audit.log': `${line}\n`.repeat(5000) });
    const { audit } = await gather({
      configuration: configured('/nonexistent', '/nonexistent'),
      warnings: [],
      root,
    });
    const lines = audit.log !== null && 'value' in audit.log ? audit.log.value : [];
    expect(lines.length).toBeGreaterThan(50);
    expect(new Set(lines)).toEqual(new Set([line]));
  });
});
