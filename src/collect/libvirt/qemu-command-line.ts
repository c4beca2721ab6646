import type { ByteText } from '../../domain/byte-text.js';
import type { AssignedImage } from '../../events/event.js';
import { BlockGraph } from './qemu-block-graph.js';
import { optionSwitch, optionText, parseQemuOptions } from './qemu-options.js';

/** What a QEMU command line says of the guest it starts. */
export interface QemuStart {
  uuid: string | null;
  name: ByteText | null;
  images: AssignedImage[];
  /** true when `images` is every image with its whole backing chain */
  complete: boolean;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const PROTOCOL = /^(?:[a-z][a-z0-9+]*:|json:)/i;

/** @param words environment, program and arguments, unquoted */
export function parseQemuCommandLine(words: readonly ByteText[]): QemuStart {
  const start: QemuStart = { uuid: null, name: null, images: [], complete: true };
  const graph = new BlockGraph();
  for (let i = 0; i < words.length - 1; i++) {
    const value = words[i + 1] as ByteText;
    switch (words[i]) {
      case '-uuid':
        start.uuid = UUID.test(value) ? value.toLowerCase() : null;
        break;
      case '-name':
        start.name = guestName(value);
        break;
      case '-blockdev':
        graph.addNode(parseQemuOptions(value));
        break;
      case '-device':
        graph.addDevice(parseQemuOptions(value) ?? {});
        break;
      case '-machine':
        graph.addMachine(parseQemuOptions(value) ?? {});
        break;
      case '-drive':
        addDrive(start, value);
        break;
      case '-kernel':
        start.images.push(plainFile('kernel', value));
        break;
      case '-initrd':
        start.images.push(plainFile('initrd', value));
        break;
      case '-dtb':
        start.images.push(plainFile('dtb', value));
        break;
      case '-bios':
        start.images.push({ ...plainFile('other', value), read_only: true });
        break;
      default:
        continue;
    }
    i++; // the value is no option, whatever it looks like
  }
  const blocks = graph.images();
  start.images = [...blocks.images, ...start.images];
  start.complete &&= blocks.complete;
  return start;
}

/** `guest=NAME,debug-threads=on`; a plain `NAME` in old versions */
function guestName(value: ByteText): ByteText | null {
  const options = parseQemuOptions(value);
  return options && (optionText(options, 'guest') ?? optionText(options, 'driver'));
}

/** libvirt before 6.0 described disks so; pflash still longer */
function addDrive(start: QemuStart, value: ByteText): void {
  const drive = parseQemuOptions(value);
  const file = drive && optionText(drive, 'file');
  if (!drive || file === null || file === '') return;
  const isPflash = optionText(drive, 'if') === 'pflash';
  const firmwareRole = optionText(drive, 'unit') === '1' ? 'nvram' : 'other';
  const hasPath = !PROTOCOL.test(file);
  start.images.push({
    ...plainFile(isPflash ? firmwareRole : 'disk', file),
    path: hasPath ? file : null,
    source: hasPath ? 'file' : 'network',
    read_only: optionSwitch(drive, 'readonly') ?? optionSwitch(drive, 'read-only') ?? false,
  });
  // QEMU itself opens what the header names as backing file; only raw images have none.
  if (hasPath && optionText(drive, 'format') !== 'raw') start.complete = false;
}

function plainFile(role: AssignedImage['role'], path: ByteText): AssignedImage {
  return {
    role,
    path,
    source: 'file',
    target: null,
    read_only: false,
    shareable: false,
    relabel_dac: null,
    relabel_selinux: null,
  };
}
