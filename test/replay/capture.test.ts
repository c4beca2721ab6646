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

  it('tells one host’s directory from a capture and says what to name instead', async () => {
    const host = join(temporaryDirectory({ 'hosta/audit.log': '' }), 'hosta');
    await expect(sourcesOfCapture(host)).rejects.toMatchObject({
      code: 'MA_NOT_A_CAPTURE',
      hint: expect.stringContaining('the directory above'),
    });
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
