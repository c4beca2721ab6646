import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A system call that the rule's key stands on, as one expression finds it: no code of the project had a part in it. */
export interface KeyedCall {
  serial: number;
  syscall: number;
  success: boolean;
  pid: number;
  ppid: number;
  /** number of the last mark that stands before it */
  phase: number;
}

const CALL =
  /^type=SYSCALL msg=audit\([\d.]+:(\d+)\): .*?syscall=(\d+) success=(yes|no) .*? ppid=(\d+) pid=(\d+) .*? key="vmimg"/;
const MARK = /^type=USER msg=audit\([\d.]+:(\d+)\): .*?phase-(\d+) /;

/** All calls in the audit logs of a directory, by serial. */
export function keyedCalls(directory: string): KeyedCall[] {
  const calls: KeyedCall[] = [];
  const marks: { serial: number; phase: number }[] = [];
  for (const line of auditLines(directory)) {
    const [, serial, syscall, success, ppid, pid] = CALL.exec(line) ?? [];
    const [, markSerial, phase] = MARK.exec(line) ?? [];
    if (markSerial !== undefined) marks.push({ serial: Number(markSerial), phase: Number(phase) });
    if (serial !== undefined)
      calls.push({
        serial: Number(serial),
        syscall: Number(syscall),
        success: success === 'yes',
        pid: Number(pid),
        ppid: Number(ppid),
        phase: 0,
      });
  }
  calls.sort((a, b) => a.serial - b.serial);
  marks.sort((a, b) => a.serial - b.serial);
  let next = 0;
  let phase = 0;
  for (const call of calls) {
    for (let mark = marks[next]; mark !== undefined && mark.serial < call.serial; mark = marks[++next])
      phase = mark.phase;
    call.phase = phase;
  }
  return calls;
}

/** Lines of audit.log and of the files that it was before. */
function auditLines(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith('audit.log'))
    .flatMap((name) => readFileSync(join(directory, name), 'latin1').split('\n'));
}
