import { type Condition, type Item, notWell, unknown, well } from './condition.js';

/** libvirt, SELinux, and what the collector itself needs. */
export function checkHost(condition: Condition): Item[] {
  return [
    checkNode(condition),
    checkConfiguration(condition),
    ...checkLibvirt(condition),
    checkSelinux(condition),
    checkData(condition),
    checkClock(condition),
  ];
}

const NODE_MIN = [20, 19] as const;

function checkNode({ node }: Condition): Item {
  const about = { id: 'node', title: 'Node.js' };
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]))
    return well(about.id, about.title, node);
  const wanted = NODE_MIN.join('.');
  return notWell(
    'missing',
    about,
    `${node}; ${wanted} or later is wanted`,
    'nothing is collected',
    `install Node.js ${wanted} or later`,
  );
}

function checkConfiguration({ warnings, configuration }: Condition): Item {
  const about = { id: 'configuration', title: 'configuration' };
  if (warnings.length === 0)
    return well(about.id, about.title, `cluster ${configuration.cluster}, host ${configuration.host}`);
  return notWell('weak', about, warnings.join('; '), 'no verdict', 'see migration-audit config show');
}

function checkLibvirt({ libvirt, configuration }: Condition): Item[] {
  if (libvirt === null) return [well('libvirt', 'libvirt', 'not followed: collect.libvirt.events is false')];
  return [
    checkConnection(libvirt, configuration.collect.libvirt.uri),
    checkMonitor(libvirt, configuration.collect.libvirt.monitor_events),
    checkAuditLevel(libvirt),
  ];
}

type Libvirt = NonNullable<Condition['libvirt']>;

function checkConnection({ version }: Libvirt, uri: string): Item {
  const about = { id: 'libvirt', title: 'libvirt' };
  if ('value' in version) return well(about.id, about.title, `${version.value} answers read-only at ${uri}`);
  return notWell(
    'missing',
    about,
    version.unknown,
    'who owns a guest is known from the audit log alone, which shows no hand-over: most verdicts in migrations are undetermined',
    'start libvirtd or virtqemud; install virsh (collect.libvirt.virsh); the read-only socket is open to everybody unless unix_sock_ro_perms says otherwise',
  );
}

function checkMonitor({ monitor }: Libvirt, isWanted: boolean): Item {
  const about = { id: 'monitor-events', title: 'QEMU’s own events' };
  if (!isWanted) {
    const can = 'value' in monitor ? 'they could be followed' : 'they could not be followed';
    return well(about.id, about.title, `not followed, ${can}; libvirt’s events tell the same less exactly`);
  }
  if ('value' in monitor) return well(about.id, about.title, 'followed');
  return notWell(
    'weak',
    about,
    monitor.unknown,
    'the moments at which vCPUs stop and run are those of libvirt; a hole in libvirt’s events has no second witness',
    'let the collector’s user into the group libvirt (a read-write connection can do everything), or set collect.libvirt.monitor_events: false',
  );
}

function checkAuditLevel({ auditLevel }: Libvirt): Item {
  const about = { id: 'libvirt-audit', title: 'libvirt’s audit records' };
  if ('unknown' in auditLevel)
    return unknown(
      about.id,
      about.title,
      auditLevel.unknown,
      'run doctor as root: /etc/libvirt is closed to others',
    );
  if (auditLevel.value !== 0)
    return well(about.id, about.title, `on (audit_level = ${auditLevel.value ?? '1, by default'})`);
  return notWell(
    'missing',
    about,
    'off: audit_level = 0',
    'starts, stops and the labels that guests need are not recorded: verdicts rest on libvirt’s events, and many are undetermined',
    'set audit_level = 1 in /etc/libvirt/libvirtd.conf or virtqemud.conf, and restart the daemon',
  );
}

const MODULE = 'migration_audit';

function checkSelinux({ selinux: { mode, modules } }: Condition): Item {
  const about = { id: 'selinux', title: 'SELinux label changes' };
  const mend = 'semodule -i deploy/selinux/migration_audit.cil';
  if ('unknown' in mode) return unknown(about.id, about.title, mode.unknown, 'run doctor as root');
  if (mode.value === 'disabled') return well(about.id, about.title, 'SELinux is off');
  if ('unknown' in modules) return unknown(about.id, about.title, modules.unknown, 'run doctor as root');
  if (modules.value.includes(MODULE))
    return well(about.id, about.title, `${mode.value}, and recorded with their values`);
  return notWell(
    'weak',
    about,
    `${mode.value}, and the module ${MODULE} is not loaded`,
    'the audit log does not say which label was set: effects of setxattr are unknown, and so are verdicts that turn on them',
    mend,
  );
}

const GIB = 1024 ** 3;

function checkData({ data, configuration: { data_directory, event_log } }: Condition): Item {
  const about = { id: 'data-directory', title: 'data directory' };
  const mend = `create ${data_directory}, owned by the collector’s user; StateDirectory= of the units does`;
  if ('unknown' in data)
    return notWell('missing', about, data.unknown, 'nothing can be kept: nothing is collected', mend);
  const free = `${data_directory}: ${(data.value.free_bytes / GIB).toFixed(1)} GiB free`;
  if (data.value.free_bytes >= event_log.bytes_max) return well(about.id, about.title, free);
  return notWell(
    'weak',
    about,
    `${free}, less than event_log.bytes_max (${(event_log.bytes_max / GIB).toFixed(1)} GiB)`,
    'when the disk is full collecting stops: a gap until there is room',
    'make room, or lower event_log.bytes_max',
  );
}

function checkClock({ clock }: Condition): Item {
  const about = { id: 'clock', title: 'clock' };
  if (clock !== null) {
    const { offset_us, uncertainty_us } = clock;
    return well(
      about.id,
      about.title,
      `${(offset_us / 1000).toFixed(3)} ms off, ± ${(uncertainty_us / 1000).toFixed(3)} ms`,
    );
  }
  return notWell(
    'weak',
    about,
    'chrony does not say that it is synchronised',
    'no verdict: none rests on comparing clocks; timelines of several hosts are harder to read',
    'install chrony, and check with chronyc tracking',
  );
}
