import type { ByteText } from '../../domain/byte-text.js';
import type { AssignedImage } from '../../events/event.js';
import { isOptions, optionSwitch, optionText, type QemuOptions } from './qemu-options.js';

/** Formats that name a backing file in their header: without an explicit `backing` QEMU would open that. */
const FORMATS_WITH_BACKING = new Set(['qcow2', 'qcow', 'qed', 'vmdk', 'vhdx', 'vpc', 'vdi', 'parallels']);
const MAX_CHAIN = 256;
/** Chains may share their lower layers, so that a short command line could name images without end. */
const MAX_IMAGES = 2048;
/** PATH_MAX: a longer name is none that QEMU could open. */
const MAX_PATH_LENGTH = 4096;

export interface BlockImages {
  images: AssignedImage[];
  /** false: some part of a chain is not on the command line */
  complete: boolean;
}

/**
 * Follows QEMU's block nodes from each root (a node that no other names) down `file` and `backing`, to the nodes
 * with a `filename`. The first file of a chain is the disk, those below it are its backing files.
 */
export class BlockGraph {
  private readonly nodes = new Map<ByteText, QemuOptions>();
  private readonly shareable = new Set<ByteText>();
  private readonly nvram = new Set<ByteText>();
  private readonly firmware = new Set<ByteText>();
  private anonymous = 0;
  private damaged = false;

  addNode(options: QemuOptions | null): void {
    if (!options) {
      this.damaged = true;
      return;
    }
    this.nodes.set(optionText(options, 'node-name') ?? `\0${this.anonymous++}`, options);
  }

  addDevice(options: QemuOptions): void {
    const drive = optionText(options, 'drive');
    if (drive !== null && optionSwitch(options, 'share-rw') === true) this.shareable.add(drive);
  }

  /** -machine pflash0= is the firmware's code, pflash1= its variables: libvirt's `<nvram>` */
  addMachine(options: QemuOptions): void {
    const code = optionText(options, 'pflash0');
    const variables = optionText(options, 'pflash1');
    if (code !== null) this.firmware.add(code);
    if (variables !== null) this.nvram.add(variables);
  }

  images(): BlockImages {
    const named = new Set<ByteText>();
    for (const node of this.nodes.values()) {
      for (const child of [node['file'], node['backing']]) if (typeof child === 'string') named.add(child);
    }
    const result: BlockImages = { images: [], complete: !this.damaged };
    for (const [name, node] of this.nodes) {
      if (named.has(name)) continue;
      if (result.images.length >= MAX_IMAGES) return { images: result.images, complete: false };
      const chain = this.chainOf(node);
      result.complete &&= chain.complete;
      const top = this.roleOf(name);
      for (const [depth, file] of chain.files.entries()) {
        result.images.push({
          role: depth === 0 ? top : 'backing',
          ...fileOf(file),
          target: null,
          read_only:
            depth > 0 || (optionSwitch(node, 'read-only') ?? optionSwitch(file, 'read-only') ?? false),
          shareable: this.shareable.has(name),
          relabel_dac: null,
          relabel_selinux: null,
        });
      }
    }
    return result;
  }

  private roleOf(root: ByteText): AssignedImage['role'] {
    if (this.nvram.has(root)) return 'nvram';
    return this.firmware.has(root) ? 'other' : 'disk';
  }

  /** The nodes with files under a root, top first. */
  private chainOf(root: QemuOptions): { files: QemuOptions[]; complete: boolean } {
    const files: QemuOptions[] = [];
    const seen = new Set<QemuOptions>();
    let complete = true;
    const pending: QemuOptions[] = [root];
    while (pending.length > 0) {
      const node = pending.pop() as QemuOptions;
      if (seen.has(node) || seen.size >= MAX_CHAIN) return { files, complete: false };
      seen.add(node);
      const { file, backing } = node;
      if (file === undefined && backing === undefined) files.push(node);
      if (backing === undefined && FORMATS_WITH_BACKING.has(optionText(node, 'driver') ?? ''))
        complete = false;
      // The file is taken off first: it belongs above whatever backs it.
      for (const child of [backing, file]) {
        if (child === undefined || child === null) continue;
        const next = typeof child === 'string' ? this.nodes.get(child) : child;
        if (isOptions(next)) pending.push(next);
        else complete = false;
      }
    }
    return { files, complete };
  }
}

function fileOf(node: QemuOptions): Pick<AssignedImage, 'path' | 'source'> {
  const named = optionText(node, 'filename');
  const filename = named !== null && named.length > MAX_PATH_LENGTH ? null : named;
  switch (optionText(node, 'driver')) {
    case 'file':
      // a descriptor passed in has no name that could be relabelled
      if (filename?.startsWith('/dev/fdset/')) return { path: null, source: 'other' };
      return { path: filename, source: 'file' };
    case 'host_device':
    case 'host_cdrom':
      return { path: filename, source: 'block' };
    case 'null-co':
    case 'null-aio':
    case 'nvme':
    case 'vvfat':
      return { path: null, source: 'other' };
    default:
      return { path: null, source: 'network' };
  }
}
