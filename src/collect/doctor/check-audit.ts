import { type Condition, type Item, notWell, unknown, well } from './condition.js';

/** Is audit on, is its log there, and does it lose nothing? */
export function checkAudit(condition: Condition): Item[] {
  return [
    checkLog(condition),
    checkFormat(condition),
    checkOrder(condition),
    checkEnabled(condition),
    checkBacklog(condition),
    checkLost(condition),
    checkRotation(condition),
  ];
}

const NO_AUDIT = 'no relabel on this host is seen: every verdict that rests on it is undetermined';
const AS_ROOT =
  'run doctor as root, or give it what it runs the collector with (docs/guides/install-on-a-host.md)';

function checkLog({ audit, configuration }: Condition): Item {
  const title = 'audit log';
  const { path } = configuration.collect.audit;
  if (audit.log === null) return well('audit-log', title, 'standard input, from audisp');
  if ('value' in audit.log) return well('audit-log', title, `${path} can be read`);
  const mend = `start auditd; let the group that the collector runs as read ${path}: log_group in /etc/audit/auditd.conf`;
  return notWell('missing', { id: 'audit-log', title }, audit.log.unknown, NO_AUDIT, mend);
}

/** RAW or ENRICHED, with `node=` or without it. */
const AUDIT_LINE = /^(?:node=\S+ )?type=\S+ msg=audit\(\d+\.\d{3}:\d+\):/;

function checkFormat({ audit }: Condition): Item {
  const about = { id: 'audit-format', title: 'audit log format' };
  const settings = 'value' in audit.settings ? audit.settings.value : new Map<string, string>();
  const named = `log_format=${settings.get('log_format') ?? '?'}, name_format=${settings.get('name_format') ?? '?'}`;
  const mend =
    'set write_logs = yes and log_format = RAW (or ENRICHED) in /etc/audit/auditd.conf, and restart auditd';
  if (settings.get('write_logs') === 'no' && audit.log !== null)
    return notWell('missing', about, 'auditd writes no log: write_logs = no', NO_AUDIT, mend);
  if (audit.log === null || 'unknown' in audit.log)
    return unknown(about.id, about.title, 'no log to look at', mend);
  const strange = audit.log.value.filter((line) => line !== '' && !AUDIT_LINE.test(line));
  if (strange.length > 0 && strange.length === audit.log.value.length)
    return notWell('missing', about, `its lines are no audit records (${named})`, NO_AUDIT, mend);
  return well(about.id, about.title, named);
}

const LIBVIRT_DAEMONS = ['virtqemud', 'libvirtd'];

function checkOrder({ daemons, libvirt }: Condition): Item {
  const about = { id: 'auditd', title: 'auditd' };
  const started = daemons.get('auditd');
  if (started === undefined)
    return notWell('missing', about, 'does not run', NO_AUDIT, 'systemctl enable --now auditd');
  const late = LIBVIRT_DAEMONS.filter((name) => (daemons.get(name) ?? started) < started);
  if (libvirt === null || late.length === 0)
    return well(about.id, about.title, 'runs, and ran before libvirt');
  return notWell(
    'weak',
    about,
    `${late[0]} started before it`,
    'starts and stops of guests may be missing from the audit log; libvirt’s events have to stand in for them',
    `restart ${late[0]} once auditd runs (guests run on); After=auditd.service in a drop-in keeps the order`,
  );
}

function checkEnabled({ audit: { status } }: Condition): Item {
  const about = { id: 'audit-enabled', title: 'kernel audit' };
  if ('unknown' in status) return unknown(about.id, about.title, status.unknown, AS_ROOT);
  if (status.value.enabled === 0)
    return notWell(
      'missing',
      about,
      'off (enabled 0)',
      NO_AUDIT,
      'auditctl -e 1; remove audit=0 from the kernel’s command line',
    );
  return well(about.id, about.title, status.value.enabled === 2 ? 'on, rules locked until reboot' : 'on');
}

const BACKLOG_RECORDS = 8192;

function checkBacklog({ audit: { status } }: Condition): Item {
  const about = { id: 'audit-backlog', title: 'audit backlog' };
  if ('unknown' in status) return unknown(about.id, about.title, status.unknown, AS_ROOT);
  const { backlog_limit, rate_limit } = status.value;
  const costs =
    'a burst of records is cut, without a trace in the log; verdicts of that time become undetermined';
  const mend = `auditctl -b ${BACKLOG_RECORDS} -r 0, and the same in /etc/audit/rules.d (deploy/audit/10-migration-audit.rules)`;
  if (rate_limit > 0)
    return notWell('weak', about, `at most ${rate_limit} records a second are kept`, costs, mend);
  if (backlog_limit < BACKLOG_RECORDS)
    return notWell(
      'weak',
      about,
      `holds ${backlog_limit} records; ${BACKLOG_RECORDS} or more are wanted`,
      costs,
      mend,
    );
  return well(about.id, about.title, `holds ${backlog_limit} records`);
}

function checkLost({ audit: { status } }: Condition): Item {
  const about = { id: 'audit-lost', title: 'lost records' };
  if ('unknown' in status) return unknown(about.id, about.title, status.unknown, AS_ROOT);
  const { lost } = status.value;
  if (lost === 0) return well(about.id, about.title, 'none since boot');
  const costs =
    'verdicts of the time in which they were lost are undetermined; that time is known only while a collector runs';
  const mend = 'raise the backlog; leave out rules that record much (auditctl -l, aureport --key)';
  return notWell('weak', about, `${lost} since boot`, costs, mend);
}

const MIB = 1024 ** 2;
/** What auditd writes in an hour at a hundred records a second, about. */
const KEPT_BYTES_MIN = 200 * MIB;
const KEEPS = new Set(['rotate', 'keep_logs']);

function checkRotation({ audit: { settings, log } }: Condition): Item {
  const about = { id: 'audit-rotation', title: 'audit log rotation' };
  if (log === null) return well(about.id, about.title, 'not read from files');
  if ('unknown' in settings) return unknown(about.id, about.title, settings.unknown, AS_ROOT);
  const action = (settings.value.get('max_log_file_action') ?? 'rotate').toLowerCase();
  const mend = 'num_logs = 10, max_log_file = 50, max_log_file_action = ROTATE in /etc/audit/auditd.conf';
  if (!KEEPS.has(action))
    return notWell(
      'weak',
      about,
      `max_log_file_action = ${action}`,
      'records are lost, or the log fills the disk and audit stops',
      mend,
    );
  const files = Number(settings.value.get('num_logs') ?? 0);
  const bytes = files * Number(settings.value.get('max_log_file') ?? 0) * MIB;
  const found = `${files} files of ${settings.value.get('max_log_file') ?? '?'} MiB`;
  if (action === 'keep_logs' || bytes >= KEPT_BYTES_MIN) return well(about.id, about.title, found);
  return notWell(
    'weak',
    about,
    found,
    'what is rotated away while the collector is down is lost, and a gap',
    mend,
  );
}
