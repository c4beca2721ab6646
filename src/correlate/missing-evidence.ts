import { printable } from '../domain/byte-text.js';
import type { MissingEvidence } from '../domain/verdict.js';
import type { ImageCall } from './image-call.js';

/** What would settle a doubt, and on which host it is to be found. */

export function guestState(host: string | null): MissingEvidence {
  const where = host === null ? 'the other hypervisors' : host;
  return {
    what: 'guest-state',
    host,
    text: `whether the guest ran on ${where} then: virsh events without a hole, or \`virsh domstate --reason\` taken there`,
  };
}

export function peerState(host: string): MissingEvidence {
  return {
    what: 'peer-host',
    host: null,
    text: `what became of the guest that ${host} had stopped for hand-over: the records of the host it went to`,
  };
}

export function orderMissing(): MissingEvidence {
  return {
    what: 'order',
    host: null,
    text: 'whether the guest’s start, end or move on the other host came before or after: a record that spans both, such as the owner’s from before the call to after it',
  };
}

export function mounts(call: ImageCall): MissingEvidence {
  return {
    what: 'mounts',
    host: call.record.host,
    text: `whether the file lies on storage that other hosts see: /proc/self/mountinfo of ${call.record.host}`,
  };
}

export function auditRecords(call: ImageCall, text: string): MissingEvidence {
  return { what: 'audit-records', host: call.record.host, text };
}

export function labelAsked(call: ImageCall): MissingEvidence {
  return {
    what: 'label-asked',
    host: call.record.host,
    text: 'the label that was set: the granted AVC pair of the call (policy with auditallow relabelfrom relabelto), or the label of the file now (ls -Z)',
  };
}

export function labelNeeded(owner: string | null): MissingEvidence {
  return {
    what: 'label-needed',
    host: owner,
    text: `the label that the guest's QEMU needs${owner === null ? '' : ` on ${owner}`}: its VIRT_MACHINE_ID record, \`virsh dumpxml\`, \`virsh capabilities\` or qemu.conf`,
  };
}

export function fileIdentity(call: ImageCall): MissingEvidence {
  return {
    what: 'file-identity',
    host: call.record.host,
    text: `which ${printable(call.event.body.path ?? 'file', 160)} was meant: its inode (${call.event.body.inode}) against \`stat -c %i\` of the image`,
  };
}

export function imageList(call: ImageCall): MissingEvidence {
  return {
    what: 'image-list',
    host: null,
    text: `whether ${call.file.path === null ? 'the file' : printable(call.file.path, 160)} was still an image of the guest then: \`virsh dumpxml\` from before and after`,
  };
}
