import type { ByteText } from '../../domain/byte-text.js';

/**
 * One `-blockdev`, `-device` or `-drive` of QEMU as plain keys. libvirt writes JSON (`{"driver":"file",…}`) or, for
 * older QEMUs, QEMU's own `driver=file,filename=…` in which `,,` is a comma of the value.
 */
export type QemuOptions = Record<string, unknown>;

/** @returns null when the JSON is damaged or is no object */
export function parseQemuOptions(text: ByteText): QemuOptions | null {
  return text.startsWith('{') ? parseJson(text) : parseKeyValues(text);
}

export function optionText(options: QemuOptions, key: string): ByteText | null {
  const value = options[key];
  return typeof value === 'string' ? value : null;
}

/** null when the option is not there or is no switch */
export function optionSwitch(options: QemuOptions, key: string): boolean | null {
  const value = options[key];
  if (typeof value === 'boolean') return value;
  if (value === 'on' || value === 'yes' || value === 'true') return true;
  return value === 'off' || value === 'no' || value === 'false' ? false : null;
}

function parseJson(text: string): QemuOptions | null {
  try {
    const value: unknown = JSON.parse(text);
    return isOptions(value) ? value : null;
  } catch {
    return null;
  }
}

export function isOptions(value: unknown): value is QemuOptions {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseKeyValues(text: ByteText): QemuOptions {
  const options: QemuOptions = Object.create(null) as QemuOptions;
  // A lone comma separates, a doubled one stands for itself.
  for (const part of text.replaceAll(',,', '\0').split(',')) {
    const [key, ...value] = part.replaceAll('\0', ',').split('=');
    // The first word without `=` is the driver of a -device or the type of a -machine.
    if (value.length === 0) options['driver'] ??= key;
    else options[key as string] = value.join('=');
  }
  return options;
}
