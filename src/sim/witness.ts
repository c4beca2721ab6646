import { type ByteText, bytesOf } from '../domain/byte-text.js';

/** The lines that the real programs would have written; audit lines in the RAW format. */

/** @param at_us µs since the epoch; the kernel stamps in ms */
export function auditLines(at_us: number, serial: number, records: [type: string, body: string][]): Buffer {
  const milliseconds = Math.floor(at_us / 1000);
  const stamp = `${Math.floor(milliseconds / 1000)}.${String(milliseconds % 1000).padStart(3, '0')}:${serial}`;
  return Buffer.from(records.map(([type, body]) => `type=${type} msg=audit(${stamp}): ${body}`).join('\n'));
}

/** Untrusted text as the kernel writes it: quoted, or upper-case hex when a byte could break the line. */
export function auditText(text: ByteText): string {
  const bytes = bytesOf(text);
  const plain = bytes.every((byte) => byte > 0x20 && byte < 0x7f && byte !== 0x22);
  return plain ? `"${text}"` : bytes.toString('hex').toUpperCase();
}

const USER_TAIL = 'hostname=? addr=? terminal=? res=';

/** Body of a VIRT_* or SERVICE_* record. */
export function userRecord(
  pid: number,
  exe: string,
  message: string,
  success: boolean,
  subject: string,
): string {
  return `pid=${pid} uid=0 auid=4294967295 ses=4294967295 subj=${subject} msg='${message} exe="${exe}" ${USER_TAIL}${success ? 'success' : 'failed'}'`;
}

export interface SyscallWitness {
  number: number;
  args: [string, string, string, string];
  success: boolean;
  exit: number;
  pid: number;
  ppid: number;
  auid: number;
  comm: string;
  exe: string;
  subject: string;
  key: string;
  cwd: string;
  path: {
    name: ByteText;
    inode: string;
    /** decimal `major:minor` */
    dev: string;
    mode: number;
    uid: number;
    gid: number;
    context: string | null;
  };
  commandLine: string;
}

export function syscallRecords(call: SyscallWitness): [string, string][] {
  const [a0, a1, a2, a3] = call.args;
  const { path } = call;
  const session = call.auid === UNSET_ID ? UNSET_ID : 3;
  return [
    [
      'SYSCALL',
      `arch=c000003e syscall=${call.number} success=${call.success ? 'yes' : 'no'} exit=${call.exit} a0=${a0} a1=${a1} a2=${a2} a3=${a3} items=1 ppid=${call.ppid} pid=${call.pid} auid=${call.auid} uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=${session} comm=${auditText(call.comm)} exe=${auditText(call.exe)} subj=${call.subject} key="${call.key}"`,
    ],
    ['CWD', `cwd=${auditText(call.cwd)}`],
    [
      'PATH',
      `item=0 name=${auditText(path.name)} inode=${path.inode} dev=${hexDevice(path.dev)} mode=${path.mode.toString(8).padStart(7, '0')} ouid=${path.uid} ogid=${path.gid} rdev=00:00${path.context === null ? '' : ` obj=${path.context}`} nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0`,
    ],
    [
      'PROCTITLE',
      `proctitle=${Buffer.from(call.commandLine.replaceAll(' ', '\0')).toString('hex').toUpperCase()}`,
    ],
  ];
}

export const UNSET_ID = 4294967295;

function hexDevice(dev: string): string {
  return dev
    .split(':')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join(':');
}

/** `2026-11-23 00:47:10.527+0000: …`, as virsh --timestamp prints. */
export function virshLine(at_us: number, text: string): Buffer {
  const [day, time] = new Date(Math.floor(at_us / 1000)).toISOString().replace('Z', '').split('T');
  return Buffer.concat([Buffer.from(`${day} ${time}+0000: `), bytesOf(text)]);
}
