import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AuditRule, parseAuditRule, records } from '../../src/collect/host/audit-rules.js';
import { temporaryDirectory } from '../collect/stand-in.js';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const SYSTEMD_ANALYZE = '/usr/bin/systemd-analyze';
const SECILC = '/usr/bin/secilc';

function read(path: string): string {
  return readFileSync(join(DEPLOY, path), 'utf8');
}

function settings(unit: string): Map<string, string> {
  return new Map(
    unit.split('\n').flatMap((line) => {
      const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
      return key === undefined ? [] : [[key, value as string]];
    }),
  );
}

const SERVICES = readdirSync(join(DEPLOY, 'systemd')).filter((name) => name.endsWith('.service'));
const ROLES = SERVICES.filter((name) => !name.includes('@'));

describe('deploy/systemd', () => {
  it.each(ROLES)('%s runs as nobody in particular, and may do little', (name) => {
    const unit = settings(read(`systemd/${name}`));
    expect(unit.get('User')).toBe('migration-audit');
    expect(unit.get('NoNewPrivileges')).toBe('yes');
    expect(unit.get('ProtectSystem')).toBe('strict');
    expect(unit.get('CapabilityBoundingSet')).toBe(/run|collect/.test(name) ? 'CAP_AUDIT_CONTROL' : '');
    expect(unit.get('ExecStart')).toBe(`/usr/bin/migration-audit ${/audit-(\w+)/.exec(name)?.[1]}`);
  });

  it.skipIf(!existsSync(SYSTEMD_ANALYZE))('is understood by systemd', () => {
    const directory = temporaryDirectory();
    for (const name of SERVICES) {
      // a program that is there stands in for ours
      const unit = read(`systemd/${name}`).replaceAll('/usr/bin/migration-audit', '/bin/true');
      writeFileSync(
        join(directory, name.replace('@', '@srv-images')),
        unit.replaceAll('/usr/sbin/auditctl', '/bin/true'),
      );
    }
    const units = readdirSync(directory).map((name) => join(directory, name));
    const { status, stderr } = spawnSync(SYSTEMD_ANALYZE, ['verify', '--man=no', ...units], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('deploy/audit', () => {
  const rules = (name: string): AuditRule[] =>
    read(`audit/${name}`)
      .split('\n')
      .filter((line) => line.startsWith('-a'))
      .map((line) => parseAuditRule(line) as AuditRule);

  it.each(['40-migration-audit-dir.rules', '40-migration-audit-exe.rules'])(
    '%s records every way to relabel',
    (name) => {
      for (const call of [
        'chown',
        'fchown',
        'lchown',
        'fchownat',
        'setxattr',
        'lsetxattr',
        'fsetxattr',
        'removexattr',
        'lremovexattr',
        'fremovexattr',
        '463',
        '466',
      ])
        expect(
          rules(name).some((rule) => rule.arch === 'b64' && records(rule, call)),
          call,
        ).toBe(true);
      expect(rules(name).every(({ text }) => text.endsWith(' -F key=migration-audit'))).toBe(true);
    },
  );
});

/** As much of a policy as the module needs to mean something. It lacks one of the types on purpose. */
const POLICY = `(handleunknown allow) (mls true) (sid kernel) (sidorder (kernel))
(class file (relabelfrom relabelto)) (class blk_file (relabelfrom relabelto)) (classorder (file blk_file))
(sensitivity s0) (sensitivityorder (s0)) (category c0) (categoryorder (c0)) (sensitivitycategory s0 (c0))
(level low (s0)) (levelrange lowrange (low low))
(user system_u) (role object_r) (role system_r) (userrole system_u system_r) (userlevel system_u low) (userrange system_u lowrange)
(typeattribute domain) (type kernel_t) (type virt_image_t) (type svirt_image_t) (roletype system_r kernel_t)
(typeattributeset domain (kernel_t)) (context kernel_context (system_u system_r kernel_t lowrange))
(sidcontext kernel kernel_context) (allow kernel_t virt_image_t (file (relabelfrom)))`;

describe('deploy/selinux', () => {
  it.skipIf(!existsSync(SECILC))('compiles, also against a policy that lacks some of its types', () => {
    const directory = temporaryDirectory();
    copyFileSync(join(DEPLOY, 'selinux/migration_audit.cil'), join(directory, 'module.cil'));
    writeFileSync(join(directory, 'base.cil'), POLICY);
    const sizeOf = (...files: string[]) => {
      const args = ['-c', '31', '-o', 'policy', '-f', '/dev/null', ...files];
      const { status, stderr } = spawnSync(SECILC, args, { cwd: directory, encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return readFileSync(join(directory, 'policy')).length;
    };
    expect(sizeOf('base.cil', 'module.cil')).toBeGreaterThan(sizeOf('base.cil'));
  });
});
