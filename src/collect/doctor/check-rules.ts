import { type AuditRule, canMeetImages, records } from '../host/audit-rules.js';
import { type Condition, type Item, notWell, unknown, well } from './condition.js';

/** Do the loaded rules record every way to relabel an image? */
export function checkRules(condition: Condition): Item[] {
  const { rules } = condition.audit;
  const title = 'audit rules';
  if ('unknown' in rules)
    return [unknown('audit-rules', title, rules.unknown, 'run doctor as root, or with CAP_AUDIT_CONTROL')];
  return [
    checkNeverTask(rules.value),
    checkCoverage(condition, rules.value, OWNER),
    checkCoverage(condition, rules.value, labelsMatter(condition) ? LABEL : { ...LABEL, state: 'weak' }),
    checkCoverage(condition, rules.value, OWNER_32),
    checkLateMounts(condition, rules.value),
  ];
}

const LOAD =
  'install deploy/audit/10-migration-audit.rules and 40-migration-audit-dir.rules in /etc/audit/rules.d, with your directories; augenrules --load';

function checkNeverTask(rules: readonly AuditRule[]): Item {
  const about = { id: 'audit-never-task', title: 'audit rule never,task' };
  if (!rules.some(({ action, list }) => action === 'never' && list === 'task'))
    return well(about.id, about.title, 'not loaded');
  return notWell(
    'missing',
    about,
    'loaded: no system call of a program that starts from now on is recorded',
    'no relabel is seen, whatever the other rules say: every verdict that rests on this host is undetermined',
    'delete `-a never,task` from /etc/audit/rules.d, load the rules, and restart libvirt',
  );
}

interface Kind {
  id: string;
  title: string;
  calls: readonly string[];
  /** as auditctl prints the architecture, of which one is enough */
  arches: readonly string[];
  state: 'weak' | 'missing';
  costs: string;
}

const ARCHES_64 = ['b64', 'x86_64', 'aarch64', 'ppc64le', 'ppc64', 's390x'];
const ARCHES_32 = ['b32', 'i386', 'arm', 's390'];

const OWNER: Kind = {
  ...{
    id: 'audit-rules-owner',
    title: 'audit rules for owners',
    calls: ['chown', 'fchown', 'lchown', 'fchownat'],
  },
  ...{ arches: ARCHES_64, state: 'missing' },
  costs:
    'changes of an image’s owner are not seen: verdicts about them are undetermined, violations go unnoticed',
};

const LABEL: Kind = {
  ...{
    id: 'audit-rules-label',
    title: 'audit rules for labels',
    calls: ['setxattr', 'lsetxattr', 'fsetxattr'],
  },
  ...{ arches: ARCHES_64, state: 'missing' },
  costs: 'changes of SELinux labels are not seen: findings about them are missed',
};

const OWNER_32: Kind = {
  ...{
    id: 'audit-rules-32-bit',
    title: 'audit rules for 32-bit programs',
    calls: ['chown', 'fchown', 'lchown', 'fchownat'],
  },
  ...{ arches: ARCHES_32, state: 'weak' },
  costs: 'what a 32-bit program does to an image is not seen; libvirt is none',
};

function checkCoverage({ libvirt }: Condition, rules: readonly AuditRule[], kind: Kind): Item {
  const { title, calls, state, costs, id } = kind;
  const directories = libvirt?.imageDirectories ?? [];
  const candidates = rules.filter((rule) => canMeetImages(rule) && isOfArch(rule, kind.arches));
  const bare = directories.flatMap((directory) => {
    const left = calls.filter(
      (call) => !candidates.some((rule) => records(rule, call) && covers(rule, directory)),
    );
    return left.length === 0 ? [] : [`in ${directory} ${left.join(', ')}`];
  });
  if (directories.length === 0 && !calls.every((call) => candidates.some((rule) => records(rule, call))))
    bare.push(calls.join(', '));
  if (bare.length === 0)
    return well(id, title, directories.length === 0 ? 'loaded' : `cover ${directories.join(', ')}`);
  const left = bare.length > SHOWN ? [...bare.slice(0, SHOWN), `${bare.length - SHOWN} more`] : bare;
  return notWell(state, { id, title }, `not recorded: ${left.join('; ')}`, costs, LOAD);
}

const SHOWN = 3;

/** A host without SELinux sets no labels of its own accord. */
function labelsMatter({ selinux: { mode } }: Condition): boolean {
  return 'unknown' in mode || mode.value !== 'disabled';
}

function isOfArch({ arch }: AuditRule, arches: readonly string[]): boolean {
  return arch === null || arches.includes(arch);
}

/** Programs that the audit of libvirt’s own relabels may be narrowed to. */
const LIBVIRT = /^=\/usr\/s?bin\/(?:libvirtd|virtqemud)$/;

/** Does the rule see every call, or at least those of libvirt, on files below the directory? */
function covers({ fields }: AuditRule, directory: string): boolean {
  for (const [name, condition] of fields) {
    if (name === 'dir' || name === 'path') {
      const watched = condition.replace(/^=/, '').replace(/\/+$/, '');
      if (directory !== watched && !directory.startsWith(`${watched}/`)) return false;
    } else if (name === 'exe') {
      if (!LIBVIRT.test(condition)) return false;
    } else if (name !== 'perm' && name !== 'filetype') return false;
  }
  return true;
}

/** A rule over a directory is bound to the file system that was there when it was loaded. */
function checkLateMounts({ mounts }: Condition, rules: readonly AuditRule[]): Item {
  const about = { id: 'audit-late-mounts', title: 'file systems below watched directories' };
  if ('unknown' in mounts)
    return unknown(about.id, about.title, mounts.unknown, 'let doctor read /proc/1/mountinfo');
  const watched = rules.flatMap(
    ({ fields }) => fields.get('dir')?.replace(/^=/, '').replace(/\/+$/, '') ?? [],
  );
  const below = mounts.value
    .map(({ mount_point }) => mount_point)
    .filter((point) => watched.some((each) => point === each || point.startsWith(`${each}/`)));
  if (below.length === 0) return well(about.id, about.title, 'none');
  // one that depends on no directory sees them all
  if (
    rules.some(
      (rule) =>
        rule.fields.has('exe') && LIBVIRT.test(rule.fields.get('exe') ?? '') && records(rule, 'fchownat'),
    )
  )
    return well(about.id, about.title, `${below[0]}, and libvirt’s own calls are recorded anywhere`);
  return notWell(
    'weak',
    about,
    `${[...new Set(below)].slice(0, SHOWN).join(', ')}: the rule may be older than the mount; chown a test file there and look with ausearch -ts recent -k migration-audit`,
    'if the mount came after the rule, nothing on it is recorded: verdicts miss it without a trace',
    'load the rules after mounts: migration-audit-rules@.service of deploy/systemd does; add deploy/audit/40-migration-audit-exe.rules',
  );
}
