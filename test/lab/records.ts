/**
 * The lines of a lab host's logs, as the real captures in test/golden have them: same fields, same order, same
 * quoting. Only what varies is a parameter.
 */

export interface RecordText {
  type: string;
  /** what stands behind `msg=audit(…): ` */
  text: string;
  /** what log_format = ENRICHED appends behind a 0x1d byte */
  enriched: string;
}

const NOBODY = 4294967295;
const PROCTITLE = {
  '/usr/sbin/libvirtd': '2F7573722F7362696E2F6C69627669727464002D2D74696D656F757400313230',
  '/usr/sbin/virtqemud': '2F7573722F7362696E2F7669727471656D7564002D2D74696D656F757400313230',
};

/** Who makes a call. */
export interface Caller {
  exe: string;
  comm: string;
  pid: number;
  ppid: number;
  /** login user; libvirt's daemons have none */
  auid?: number;
  subject: string;
}

/** A file as the calling host names and sees it. */
export interface SeenFile {
  name: string;
  inode: number;
  /** `major:minor`, decimal */
  dev: string;
  mode: number;
  uid: number;
  gid: number;
  context: string | null;
}

const SYSCALLS = {
  pwrite64: 18,
  chown: 92,
  fchown: 93,
  setxattr: 188,
  lsetxattr: 189,
  removexattr: 197,
  fchownat: 260,
  setxattrat: 463,
};
export type SyscallName = keyof typeof SYSCALLS;

export function syscallRecord(
  name: SyscallName,
  args: readonly string[],
  exit: number,
  caller: Caller,
  items: number,
): RecordText {
  const { exe, comm, pid, ppid, subject } = caller;
  const auid = caller.auid ?? NOBODY;
  const key = name.includes('xattr') ? '"label-xattr"' : name === 'pwrite64' ? '(null)' : '"label-dac"';
  const [a0, a1, a2, a3] = args;
  return {
    type: 'SYSCALL',
    text: `arch=c000003e syscall=${SYSCALLS[name]} success=${exit < 0 ? 'no' : 'yes'} exit=${exit} a0=${a0} a1=${a1} a2=${a2} a3=${a3} items=${items} ppid=${ppid} pid=${pid} auid=${auid} uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=${auid === NOBODY ? NOBODY : 1} comm="${comm}" exe="${exe}" subj=${subject} key=${key}`,
    enriched: `ARCH=x86_64 SYSCALL=${name} AUID="${auid === NOBODY ? 'unset' : 'root'}" UID="root" GID="root" EUID="root" SUID="root" FSUID="root" EGID="root" SGID="root" FSGID="root"`,
  };
}

/** What anybody may have chosen is quoted, or written as hex where a quote, a blank or a byte beyond ASCII is in it. */
function untrusted(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  const isPlain = bytes.every((byte) => byte >= 0x21 && byte <= 0x7e && byte !== 0x22);
  return isPlain ? `"${text}"` : bytes.toString('hex').toUpperCase();
}

export function cwdRecord(cwd: string): RecordText {
  return { type: 'CWD', text: `cwd=${untrusted(cwd)}`, enriched: '' };
}

export function pathRecord(file: SeenFile): RecordText {
  const [major, minor] = file.dev.split(':').map((part) => Number(part).toString(16).padStart(2, '0'));
  const obj = file.context === null ? '' : ` obj=${file.context}`;
  return {
    type: 'PATH',
    text: `item=0 name=${file.name === '' ? '(null)' : untrusted(file.name)} inode=${file.inode} dev=${major}:${minor} mode=0${file.mode.toString(8)} ouid=${file.uid} ogid=${file.gid} rdev=00:00${obj} nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0`,
    enriched: `OUID="${nameOf(file.uid)}" OGID="${nameOf(file.gid)}"`,
  };
}

function nameOf(id: number): string {
  return id === 0 ? 'root' : id === 64055 ? 'libvirt-qemu' : `unknown(${id})`;
}

export function proctitleRecord(exe: string): RecordText {
  const known = PROCTITLE[exe as keyof typeof PROCTITLE];
  return {
    type: 'PROCTITLE',
    text: `proctitle=${known ?? Buffer.from(exe).toString('hex').toUpperCase()}`,
    enriched: '',
  };
}

/** The pair that policies with auditallow relabelfrom, relabelto log before the SYSCALL. */
export function relabelAvcRecords(caller: Caller, file: SeenFile, from: string, to: string): RecordText[] {
  const { pid, comm, subject } = caller;
  const base = file.name.slice(file.name.lastIndexOf('/') + 1);
  return (
    [
      ['relabelfrom', from],
      ['relabelto', to],
    ] as const
  ).map(([permission, target]) => ({
    type: 'AVC',
    text: `avc:  granted  { ${permission} } for  pid=${pid} comm="${comm}" name=${untrusted(base)} dev="${file.dev}" ino=${file.inode} scontext=${subject} tcontext=${target} tclass=file`,
    enriched: '',
  }));
}

export interface VirtGuest {
  name: string;
  uuid: string;
}

function virtRecord(type: string, body: string, daemon: Caller, success: boolean): RecordText {
  const { pid, exe, subject } = daemon;
  return {
    type,
    text: `pid=${pid} uid=0 auid=${NOBODY} ses=${NOBODY} subj=${subject} msg='virt=qemu ${body} exe="${exe}" hostname=? addr=? terminal=? res=${success ? 'success' : 'failed'}'`,
    enriched: 'UID="root" AUID="unset"',
  };
}

export function controlRecord(
  op: 'start' | 'stop',
  reason: string,
  { name, uuid }: VirtGuest,
  pid: number,
  daemon: Caller,
  success = true,
): RecordText {
  return virtRecord(
    'VIRT_CONTROL',
    `op=${op} reason=${reason} vm=${untrusted(name)} uuid=${uuid} vm-pid=${pid}`,
    daemon,
    success,
  );
}

export function machineIdRecord(
  model: 'dac' | 'selinux',
  process: string,
  image: string,
  { name, uuid }: VirtGuest,
  daemon: Caller,
): RecordText {
  return virtRecord(
    'VIRT_MACHINE_ID',
    `vm=${untrusted(name)} uuid=${uuid} vm-ctx=${process} img-ctx=${image} model=${model}`,
    daemon,
    true,
  );
}

export function diskRecord(
  reason: string,
  { name, uuid }: VirtGuest,
  former: string | null,
  latter: string | null,
  daemon: Caller,
): RecordText {
  const text = (path: string | null) => (path === null ? '"?"' : untrusted(path));
  return virtRecord(
    'VIRT_RESOURCE',
    `resrc=disk reason=${reason} vm=${untrusted(name)} uuid=${uuid} old-disk=${text(former)} new-disk=${text(latter)}`,
    daemon,
    true,
  );
}

export function serviceRecord(change: 'START' | 'STOP', unit: string, success: boolean): RecordText {
  return {
    type: `SERVICE_${change}`,
    text: `pid=1 uid=0 auid=${NOBODY} ses=${NOBODY} subj=unconfined msg='unit=${unit} comm="systemd" exe="/usr/lib/systemd/systemd" hostname=? addr=? terminal=? res=${success ? 'success' : 'failed'}'`,
    enriched: 'UID="root" AUID="unset"',
  };
}
