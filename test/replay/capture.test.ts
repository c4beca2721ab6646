import { mkdirSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sourcesOfCapture } from '../../src/replay/capture.js';
import { temporaryDirectory } from './temporary-directory.js';

function names(paths: string[] | undefined): string[] {
  return (paths ?? []).map((path) => basename(path));
}

describe('sourcesOfCapture', () => {
  it('finds hosts, streams with rotated files oldest first, snapshots and times', async () => {
    const capture = temporaryDirectory({
      'hosta/audit.log': '',
      'hosta/audit.log.1': '',
      'hosta/audit.log.2.gz': '',
      'hosta/qemu-vm1.log': '',
      'hosta/qemu-vm2.log': '',
      'hosta/mountinfo': '',
      'hosta/auditctl-s.before': '',
      'hosta/t1': '1.5\n',
      'nfs1/exports': '',
    });
    const { hosts, ignored } = await sourcesOfCapture(capture);
    expect(ignored).toEqual([]);
    expect(hosts.map(({ host }) => host)).toEqual(['hosta', 'nfs1']);
    expect(hosts[0]?.streams.map(({ role, files }) => [role, names(files)])).toEqual([
      ['audit', ['audit.log.2.gz', 'audit.log.1', 'audit.log']],
      ['guest-log', ['qemu-vm1.log']],
      ['guest-log', ['qemu-vm2.log']],
    ]);
    expect(hosts[0]?.snapshots.map(({ name, before }) => [name, before])).toEqual([
      ['auditctl-s.before', true],
      ['mountinfo', false],
    ]);
    expect(hosts[0]?.times).toEqual({ before: null, after: join(capture, 'hosta', 't1') });
  });

  it('lists what is nothing we read', async () => {
    const capture = temporaryDirectory({
      'README.txt': '',
      'hosta/audit.log': '',
      'hosta/core.1234': '',
      'hosta/qemu-vm1.log': '',
      'hosta/qemu-vm1-serial.log': '',
      'notes/todo.txt': '',
    });
    const { hosts, ignored } = await sourcesOfCapture(capture);
    expect(hosts.map(({ host }) => host)).toEqual(['hosta']);
    expect(names(ignored)).toEqual(['README.txt', 'core.1234', 'qemu-vm1-serial.log', 'todo.txt']);
  });

  it('reads one of a log and its packed copy', async () => {
    const capture = temporaryDirectory({ 'hosta/audit.log.1': '', 'hosta/audit.log.1.gz': '' });
    const { hosts, ignored } = await sourcesOfCapture(capture);
    expect(names(hosts[0]?.streams[0]?.files)).toEqual(['audit.log.1']);
    expect(names(ignored)).toEqual(['audit.log.1.gz']);
  });

  it('follows symbolic links to hosts', async () => {
    const elsewhere = temporaryDirectory({ 'audit.log': '' });
    const capture = temporaryDirectory();
    symlinkSync(elsewhere, join(capture, 'hosta'));
    expect((await sourcesOfCapture(capture)).hosts[0]?.host).toBe('hosta');
  });

  it('refuses a directory without a host', async () => {
    await expect(sourcesOfCapture(temporaryDirectory())).rejects.toMatchObject({ code: 'MA_NOT_A_CAPTURE' });
    await expect(sourcesOfCapture(temporaryDirectory({ 'a/b.txt': '' }))).rejects.toMatchObject({
      code: 'MA_NOT_A_CAPTURE',
    });
  });

  it('takes one host’s directory for a capture of that host', async () => {
    const host = join(temporaryDirectory({ 'hosta/audit.log': '', 'hosta/notes/x.txt': '' }), 'hosta');
    const { hosts, ignored } = await sourcesOfCapture(host);
    expect(hosts.map(({ host: name }) => name)).toEqual(['hosta']);
    expect(names(ignored)).toEqual(['notes']);
  });

  it('finds files where a host keeps them', async () => {
    const capture = temporaryDirectory({
      'hosta/var/log/audit/audit.log': '',
      'hosta/var/log/audit/audit.log.1': '',
      'hosta/var/log/libvirt/libvirtd.log': '',
      'hosta/var/log/libvirt/qemu/vm1.log': '',
      'hosta/var/log/libvirt/qemu/vm1.log.1': '',
      'hosta/var/log/libvirt/qemu/vm2.log-20261123.gz': '',
      'hosta/etc/libvirt/qemu.conf': '',
      'hosta/etc/libvirt/qemu/vm1.xml': '',
      'hosta/etc/libvirt/qemu/networks/default.xml': '',
      'hosta/etc/exports': '',
      'hosta/proc/self/mountinfo': '',
      'hosta/backup/audit.log': '',
    });
    const { hosts, ignored } = await sourcesOfCapture(capture);
    expect(hosts.map(({ host }) => host)).toEqual(['hosta']);
    expect(hosts[0]?.streams.map(({ role, files }) => [role, names(files)])).toEqual([
      ['audit', ['audit.log.1', 'audit.log']],
      ['daemon-log', ['libvirtd.log']],
      ['guest-log', ['vm1.log.1', 'vm1.log']],
      ['guest-log', ['vm2.log-20261123.gz']],
    ]);
    expect(hosts[0]?.snapshots.map(({ name }) => name)).toEqual([
      'exports',
      'domain-vm1.xml',
      'qemu.conf',
      'mountinfo',
    ]);
    expect(names(ignored).sort()).toEqual(['backup', 'networks']);
  });

  it('keeps logs of one name in two directories apart', async () => {
    const capture = temporaryDirectory({ 'hosta/audit/audit.log': '', 'hosta/logs/audit.log.1': '' });
    const { hosts } = await sourcesOfCapture(capture);
    expect(hosts[0]?.streams.map(({ files }) => names(files))).toEqual([['audit.log'], ['audit.log.1']]);
  });

  it('finds the one capture in the directories around it, and names several', async () => {
    const one = temporaryDirectory({ 'incident/7/hosta/audit.log': '', 'incident/7/hostb/audit.log': '' });
    expect((await sourcesOfCapture(one)).hosts.map(({ host }) => host)).toEqual(['hosta', 'hostb']);
    const two = temporaryDirectory({ 'monday/hosta/audit.log': '', 'tuesday/hosta/audit.log': '' });
    await expect(sourcesOfCapture(two)).rejects.toMatchObject({
      code: 'MA_NOT_A_CAPTURE',
      message: expect.stringContaining('several captures: monday, tuesday'),
    });
  });

  it('comes to an end where directories lead into themselves', async () => {
    const capture = temporaryDirectory({ 'hosta/audit.log': '' });
    symlinkSync('.', join(capture, 'hosta', 'log'));
    symlinkSync('..', join(capture, 'hosta', 'self'));
    symlinkSync('.', join(capture, 'loop'));
    const { hosts } = await sourcesOfCapture(capture);
    expect(hosts.map(({ host }) => host)).toContain('hosta');
  });

  it('refuses what is not there and what is no directory', async () => {
    const directory = temporaryDirectory({ file: '' });
    await expect(sourcesOfCapture(join(directory, 'none'))).rejects.toMatchObject({ code: 'MA_NOT_FOUND' });
    await expect(sourcesOfCapture(join(directory, 'file'))).rejects.toMatchObject({ code: 'MA_UNREADABLE' });
  });

  it('takes an empty directory for no host', async () => {
    const capture = temporaryDirectory({ 'hosta/audit.log': '' });
    mkdirSync(join(capture, 'hostb'));
    expect((await sourcesOfCapture(capture)).hosts).toHaveLength(1);
  });
});
