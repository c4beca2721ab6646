import type { AssignedImage } from '../../events/event.js';
import type { XmlElement } from './xml.js';

export interface DomainImages {
  images: AssignedImage[];
  /** every chain is known down to an empty `<backingStore/>` */
  chainsEnd: boolean;
}

type Shared = Pick<AssignedImage, 'target' | 'read_only' | 'shareable'>;

/** Images in a `<domain>`: disks, their backing chains and mirrors, firmware, directly booted kernels. */
export function collectImages(domain: XmlElement): DomainImages {
  const result: DomainImages = { images: [], chainsEnd: true };
  for (const devices of domain.children('devices')) {
    for (const disk of devices.children('disk')) addDisk(result, disk);
  }
  for (const os of domain.children('os')) addFirmware(result.images, os);
  return result;
}

function addDisk(result: DomainImages, disk: XmlElement): void {
  const shared: Shared = {
    target: disk.child('target')?.attribute('dev') ?? null,
    read_only: disk.child('readonly') !== null,
    shareable: disk.child('shareable') !== null,
  };
  // An empty drive has no source, and no chain either.
  if (disk.child('source') !== null) {
    addChain(result, disk, 'disk', shared, disk.child('driver')?.attribute('type') ?? null);
  }
  for (const mirror of disk.children('mirror')) {
    addChain(result, mirror, 'mirror', shared, mirror.child('format')?.attribute('type') ?? null);
  }
}

/**
 * An image and, inside its `<backingStore>`, the next one, and so on. A raw image has none; for any other format a
 * missing element means that nobody has looked.
 */
function addChain(
  result: DomainImages,
  top: XmlElement,
  topRole: 'disk' | 'mirror',
  shared: Shared,
  topFormat: string | null,
): void {
  let layer: XmlElement | null = top;
  let format = topFormat;
  while (layer !== null) {
    const isTop = layer === top;
    const image = imageOf(layer, isTop ? topRole : 'backing', {
      ...shared,
      read_only: shared.read_only || !isTop,
      shareable: shared.shareable && isTop,
    });
    result.images.push(image);
    for (const store of layer.child('source')?.children('dataStore') ?? []) {
      result.images.push(imageOf(store, 'other', shared));
    }
    const next: XmlElement | null = layer.child('backingStore');
    if (next === null) {
      if (format !== 'raw') result.chainsEnd = false;
      return;
    }
    if (next.child('source') === null) return;
    layer = next;
    format = next.child('format')?.attribute('type') ?? null;
  }
}

/** @param element `<disk>`, `<backingStore>`, `<mirror>` or `<dataStore>`: they all have `type` and `<source>` */
function imageOf(element: XmlElement, role: AssignedImage['role'], shared: Shared): AssignedImage {
  const source = element.child('source');
  return {
    role,
    ...pathOf(element, source),
    ...shared,
    relabel_dac: relabelOf(source, 'dac'),
    relabel_selinux: relabelOf(source, 'selinux'),
  };
}

function pathOf(element: XmlElement, source: XmlElement | null): Pick<AssignedImage, 'path' | 'source'> {
  switch (element.attribute('type')) {
    case 'file':
      // Until libvirt 1.2 a mirror had the file as an attribute of its own.
      return { path: source?.attribute('file') ?? element.attribute('file'), source: 'file' };
    case 'block':
      return { path: source?.attribute('dev') ?? null, source: 'block' };
    case 'network':
      return { path: null, source: 'network' };
    case 'volume':
      return { path: null, source: 'volume' };
    case 'dir':
      return { path: source?.attribute('dir') ?? null, source: 'other' };
    default:
      return { path: null, source: 'other' };
  }
}

/** `<seclabel>` of one source: `relabel='no'`, for one model or, without `model`, for all. */
function relabelOf(source: XmlElement | null, model: string): boolean | null {
  for (const seclabel of source?.children('seclabel') ?? []) {
    const ofModel = seclabel.attribute('model');
    if (ofModel !== null && ofModel !== model) continue;
    const relabel = seclabel.attribute('relabel');
    if (relabel !== null) return relabel !== 'no';
  }
  return null;
}

const BOOT_FILES = [
  ['kernel', 'kernel'],
  ['initrd', 'initrd'],
  ['dtb', 'dtb'],
  ['shim', 'other'],
] as const;

function addFirmware(images: AssignedImage[], os: XmlElement): void {
  for (const [name, role] of BOOT_FILES) {
    for (const element of os.children(name)) addFile(images, element, role, false);
  }
  for (const acpi of os.children('acpi')) {
    for (const table of acpi.children('table')) addFile(images, table, 'other', false);
  }
  for (const loader of os.children('loader')) {
    addFile(images, loader, 'other', loader.attribute('readonly') !== 'no');
  }
  for (const nvram of os.children('nvram')) {
    // Since libvirt 8.5 the variables may have a `<source>` like a disk's.
    if (nvram.child('source') === null) addFile(images, nvram, 'nvram', false);
    else images.push(imageOf(nvram, 'nvram', { target: null, read_only: false, shareable: false }));
  }
}

/** The path is the element's text; white space around it is the printer's. */
function addFile(
  images: AssignedImage[],
  element: XmlElement,
  role: AssignedImage['role'],
  readOnly: boolean,
): void {
  const path = element.content?.trim();
  if (!path) return;
  images.push({
    role,
    path,
    source: 'file',
    target: null,
    read_only: readOnly,
    shareable: false,
    relabel_dac: null,
    relabel_selinux: null,
  });
}
