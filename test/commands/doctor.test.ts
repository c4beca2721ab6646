import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Item } from '../../src/collect/doctor/condition.js';
import { program, temporaryDirectory } from '../collect/stand-in.js';
import { runCommand } from './run-command.js';

function surroundings(auditctl: string) {
  const nowhere = join(temporaryDirectory(), 'nothing');
  return {
    MIGRATION_AUDIT_CLUSTER: 'lab',
    MIGRATION_AUDIT_HOST: 'hosta',
    MIGRATION_AUDIT_DATA_DIRECTORY: nowhere,
    MIGRATION_AUDIT_COLLECT_AUDIT_PATH: nowhere,
    MIGRATION_AUDIT_COLLECT_LIBVIRT_VIRSH: nowhere,
    MIGRATION_AUDIT_COLLECT_KERNEL_LOSSES_AUDITCTL: auditctl,
  };
}

describe('doctor', () => {
  const hostile = () => program(temporaryDirectory(), 'auditctl', `printf 'no \\033[31mway' >&2; exit 4`);

  it('prints the worst first, with cost and cure, and exits with 1', async () => {
    const { exit, out, err } = await runCommand(['doctor'], { env: surroundings(hostile()) });
    expect(exit).toBe(1);
    expect(err).toBe('');
    expect(out).toMatch(/^ {2}MISSING {2}\S/);
    expect(out).toMatch(/data directory: [^:]+nothing:\s+there\s+is\s+no\s+such\s+directory/);
    expect(out).toMatch(/\n {11}costs {2}\S/);
    expect(out).toMatch(/\n {11}mend {3}\S/);
    expect(out).toMatch(
      /\n\d+ missing: verdicts are lost on this host\. \d+ well, \d+ weak, \d+ unknown\.\n$/,
    );
    expect(out).not.toContain('\x1b');
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('prints an object for programs', async () => {
    const { exit, out } = await runCommand(['doctor', '-f', 'json'], { env: surroundings(hostile()) });
    const report = JSON.parse(out) as { host: string; ready: boolean; items: Item[] };
    expect(exit).toBe(1);
    expect(report).toMatchObject({ host: 'hosta', ready: false });
    expect(new Set(report.items.map(({ id }) => id)).size).toBe(report.items.length);
    expect(report.items.find(({ id }) => id === 'data-directory')).toMatchObject({ state: 'missing' });
  });

  it('refuses a configuration that cannot be used', async () => {
    const { exit, err } = await runCommand(['doctor'], { env: { MIGRATION_AUDIT_CLUSTER: '' } });
    expect(exit).toBe(2);
    expect(err).toContain('MA_CONFIG');
  });
});
