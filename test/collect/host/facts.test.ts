import { describe, expect, it } from 'vitest';
import { bodies, captured, facts, snapshot } from './support.js';

describe('capabilities', () => {
  it('gives the host UUID and the label of each model', () => {
    expect(facts('capabilities.xml', captured('selinux-ok', 'hosta', 'capabilities.xml'))).toMatchObject({
      host_uuid: '1ab00000-0000-4000-8000-000000000011',
      security_models: [
        { model: 'selinux', doi: '0', base_labels: [{ type: 'kvm' }, { type: 'qemu' }] },
        {
          model: 'dac',
          doi: '0',
          base_labels: [
            { type: 'kvm', label: '+64055:+64055' },
            { type: 'qemu', label: '+64055:+64055' },
          ],
        },
      ],
    });
  });
});

describe('mountinfo', () => {
  it('finds the NFS mounts of a real host', () => {
    const { mounts } = facts('mountinfo', captured('s4-mismatch-fail', 'hosta', 'mountinfo'));
    expect(mounts?.filter(({ fs_type }) => fs_type === 'nfs4')).toMatchObject([
      { dev: '0:45', mount_point: '/var/lib/libvirt/images/squash', source: 'nfs1:/srv/squash' },
      { dev: '0:48', root: '/', mount_point: '/var/lib/libvirt/images/nfs', source: 'nfs1:/srv/images' },
    ]);
  });

  it('reads escapes, optional fields, bind mounts and an empty source', () => {
    const { mounts } = facts(
      'mountinfo',
      [
        String.raw`36 35 98:0 /sub\040dir /mnt\011a\134b\303\251 ro,noatime - ext4 /dev/root rw,errors=continue`,
        '37 35 0:44 / /mnt rw shared:1 master:2 propagate_from:3 unbindable - nfs4 nas:/e rw,vers=4.2',
        '38 35 0:45 / /x rw - tmpfs  rw',
      ].join('\n'),
    );
    expect(mounts).toEqual([
      {
        dev: '98:0',
        root: '/sub dir',
        mount_point: '/mnt\ta\\bé',
        fs_type: 'ext4',
        source: '/dev/root',
        options: 'ro,noatime,errors=continue',
      },
      {
        dev: '0:44',
        root: '/',
        mount_point: '/mnt',
        fs_type: 'nfs4',
        source: 'nas:/e',
        options: 'rw,vers=4.2',
      },
      { dev: '0:45', root: '/', mount_point: '/x', fs_type: 'tmpfs', source: '', options: 'rw' },
    ]);
  });

  it('reports the lines it cannot read and keeps the others', () => {
    const events = snapshot('mountinfo', '36 35 98:0 / /mnt rw - ext4 /dev/a rw\nno mount\n');
    expect(bodies(events, 'HostFactsRead')[0]?.mounts).toHaveLength(1);
    expect(bodies(events, 'GapDetected')).toMatchObject([
      {
        kind: 'rejected-lines',
        of_stream: 'host-facts',
        lost: 1,
        detail: expect.stringContaining('no mount'),
      },
    ]);
  });
});

describe('exports', () => {
  it('reads the server of the lab', () => {
    const { exports } = facts('exports', captured('s4-mismatch-fail', 'nfs1', 'exports'));
    expect(exports).toEqual([
      { path: '/srv/images', options: '10.77.0.0/24(rw,fsid=1,sync,no_subtree_check,no_root_squash)' },
      { path: '/srv/squash', options: '10.77.0.0/24(rw,fsid=2,sync,no_subtree_check,root_squash)' },
    ]);
  });

  it('reads quotes, escapes, defaults, comments and continued lines', () => {
    const text = String.raw`# a comment
/a b(rw) c(ro) # one more
"/with blank#" *(rw)
/with\040escape -sync,ro \
  host1 \
  host2(rw)
/alone
`;
    expect(facts('exports', text).exports).toEqual([
      { path: '/a', options: 'b(rw)' },
      { path: '/a', options: 'c(ro)' },
      { path: '/with blank#', options: '*(rw)' },
      { path: '/with escape', options: '-sync,ro host1' },
      { path: '/with escape', options: '-sync,ro host2(rw)' },
      { path: '/alone', options: '' },
    ]);
  });

  it('reads exportfs -v, which breaks the line after a long path', () => {
    const text =
      '/srv/images   \t10.0.0.0/8(sync,rw,no_root_squash)\n/srv/a/very/long/path\n\t\t<world>(sync,ro)\n';
    expect(facts('exportfs-v', text).exports).toEqual([
      { path: '/srv/images', options: '10.0.0.0/8(sync,rw,no_root_squash)' },
      { path: '/srv/a/very/long/path', options: '<world>(sync,ro)' },
    ]);
  });

  it('knows a host that exports nothing', () => {
    expect(facts('exports', '# nothing\n').exports).toEqual([]);
  });
});

describe('qemu.conf', () => {
  const NOTHING = {
    user: null,
    group: null,
    dynamic_ownership: null,
    remember_owner: null,
    security_drivers: [],
    shared_filesystems: [],
  };

  it('reads what the lab set', () => {
    expect(facts('qemu.conf', captured('s2-port-p9-fixed', 'hosta', 'qemu.conf')).qemu_conf).toEqual({
      user: 'libvirt-qemu',
      group: 'libvirt-qemu',
      dynamic_ownership: true,
      remember_owner: true,
      security_drivers: [],
      shared_filesystems: ['/var/lib/libvirt/images/p9'],
    });
  });

  it.each([
    ['', NOTHING],
    ['# user = "root"\n', NOTHING],
    ['user = "+0"\ngroup = \'107\'\n', { ...NOTHING, user: '+0', group: '107' }],
    ['user="a # b" # comment\n', { ...NOTHING, user: 'a # b' }],
    ['user = "first"\nuser = "second"', { ...NOTHING, user: 'first' }],
    ['user = """over\nlines"""\ngroup = "g"\n', { ...NOTHING, user: 'over\nlines', group: 'g' }],
    [
      'dynamic_ownership = 0\nremember_owner=1\r\n',
      { ...NOTHING, dynamic_ownership: false, remember_owner: true },
    ],
    ['security_driver = "selinux"\n', { ...NOTHING, security_drivers: ['selinux'] }],
    [
      'security_driver = [ "selinux", # first\n  "dac",\n]\nshared_filesystems = [\n"/a",\'/b\'\n]\n',
      { ...NOTHING, security_drivers: ['selinux', 'dac'], shared_filesystems: ['/a', '/b'] },
    ],
    ['cgroup_device_acl = [ "/dev/null" ]\nlist_of_lists = 5\nuser = "x"\n', { ...NOTHING, user: 'x' }],
  ])('reads %j', (text, qemu_conf) => {
    expect(facts('qemu.conf', text).qemu_conf).toEqual(qemu_conf);
  });

  it.each([
    'user = "open\n',
    'user = root\n',
    'user\n',
    'user = "a" b\n',
    'shared_filesystems = [ "/a" "open\n',
    '= 1\n',
  ])('reports %j and reads on', (bad) => {
    const events = snapshot('qemu.conf', `${bad}group = "g"\n`);
    expect(bodies(events, 'HostFactsRead')[0]?.qemu_conf?.group).toBe('g');
    expect(bodies(events, 'GapDetected')).toMatchObject([{ kind: 'rejected-lines', lost: 1 }]);
  });
});

describe('accounts', () => {
  it('reads id', () => {
    expect(facts('id-libvirt-qemu', captured('ok', 'hosta', 'id-libvirt-qemu'))).toMatchObject({
      users: [{ name: 'libvirt-qemu', id: 64055 }],
      groups: [
        { name: 'kvm', id: 993 },
        { name: 'libvirt-qemu', id: 64055 },
      ],
    });
    const onSelinux =
      'uid=0(root) gid=0(root) groups=0(root) context=unconfined_u:unconfined_r:unconfined_t:s0\n';
    expect(facts('id-root', onSelinux).users).toEqual([{ name: 'root', id: 0 }]);
    expect(facts('id-x', 'uid=1000 gid=5(tty)\n')).toMatchObject({
      users: null,
      groups: [{ name: 'tty', id: 5 }],
    });
  });

  it('reads passwd and group', () => {
    const passwd =
      'root:x:0:0:root:/root:/bin/bash\n+::::::\nlibvirt-qemu:x:64055:993:,,,:/var:/usr/sbin/nologin\n';
    expect(facts('getent-passwd', passwd).users).toEqual([
      { name: 'root', id: 0 },
      { name: 'libvirt-qemu', id: 64055 },
    ]);
    expect(facts('group', 'kvm:x:993:qemu,libvirt\n').groups).toEqual([{ name: 'kvm', id: 993 }]);
    expect(bodies(snapshot('passwd', 'root:x:zero:0:::\n'), 'GapDetected')).toHaveLength(1);
  });
});

describe('audit', () => {
  it('reads the status, with what was lost', () => {
    expect(facts('auditctl-s.before', captured('node-name', 'hosta', 'auditctl-s.before'))).toMatchObject({
      origin: 'auditctl-s.before',
      audit: { enabled: 1, lost: 186854, backlog_limit: 8192, rate_limit: 0, backlog_wait_time: 60000 },
    });
    const old = 'AUDIT_STATUS: enabled=1 flag=1 pid=802 rate_limit=0 backlog_limit=320 lost=7 backlog=0\n';
    expect(facts('auditctl-s', old).audit).toEqual({
      enabled: 1,
      lost: 7,
      backlog_limit: 320,
      rate_limit: 0,
      backlog_wait_time: null,
    });
  });

  it('has no status when the essential is missing', () => {
    expect(snapshot('auditctl-s', 'enabled 1\n').map(({ kind }) => kind)).toEqual(['GapDetected']);
  });

  it('reads rules, and tells none from not known', () => {
    expect(facts('auditctl-l', captured('ok', 'hosta', 'auditctl-l')).audit_rules).toHaveLength(4);
    expect(facts('auditctl-l', 'No rules\n').audit_rules).toEqual([]);
    expect(snapshot('auditctl-l', '')).toEqual([]);
  });
});

describe('SELinux', () => {
  it.each([
    ['lsm', captured('enf-s2-port', 'hostb', 'lsm'), 'enforcing', 10],
    ['lsm', captured('ok', 'hosta', 'lsm'), 'disabled', null],
    ['getenforce', 'Permissive\n', 'permissive', null],
    ['getsebool-a', 'virt_use_nfs --> on\n', null, 1],
    ['lsm', 'lockdown,capability,apparmor\n', 'disabled', null],
    ['lsm', 'lockdown,capability,selinux\nEnforcing\n', 'enforcing', null],
  ])('reads %s', (name, content, mode, booleans) => {
    const { selinux_mode, selinux_booleans } = facts(name, content);
    expect([selinux_mode, selinux_booleans?.length ?? null]).toEqual([mode, booleans]);
  });
});

describe('what the host is', () => {
  it('reads one-line files', () => {
    expect(facts('host-uuid', captured('ok', 'hostb', 'host-uuid')).host_uuid).toMatch(/^1ab00000-/);
    expect(facts('machine-id', captured('ok', 'hosta', 'machine-id')).machine_id).toMatch(/^[0-9a-f]{32}$/);
    expect(facts('kernel-release', '6.12.107+deb13-amd64\n').kernel).toBe('6.12.107+deb13-amd64');
    expect(bodies(snapshot('hostname', 'two\nlines\n'), 'GapDetected')).toMatchObject([{ lost: 2 }]);
  });

  it('prefers the version of the daemon', () => {
    expect(facts('virsh-version', captured('ok', 'hosta', 'virsh-version')).libvirt_version).toBe('11.3.0');
    const text = 'Using library: libvirt 9.0.0\nRunning against daemon: 11.3.0\n';
    expect(facts('virsh-version', text).libvirt_version).toBe('11.3.0');
  });
});

describe('domstate', () => {
  it.each([
    ['domstate-vm1', 'running (migrated)\n\n', 'vm1', 'running', 'migrated'],
    ['domstate-a b', 'shut off (crashed)\n', 'a b', 'shut off', 'crashed'],
    ['domstate-x.before', 'paused\n', 'x', 'paused', null],
  ])('reads %s', (file, text, name, state, reason) => {
    expect(bodies(snapshot(file, text), 'GuestsListed')).toEqual([
      { complete: false, guests: [{ guest: { uuid: null, name }, state, reason }] },
    ]);
  });

  it('reports what it cannot read', () => {
    expect(bodies(snapshot('domstate-x', 'dancing\n'), 'GapDetected')).toHaveLength(1);
    expect(snapshot('domstate-x', '\n')).toEqual([]);
  });
});
