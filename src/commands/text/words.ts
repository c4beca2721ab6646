import { type ByteText, printable } from '../../domain/byte-text.js';
import { formatOwner, type Label } from '../../domain/label.js';
import type { GuestRef, ImageRef } from '../../domain/report.js';

/** How single values read in text output. All of them are safe to print. */

export function guestName(guest: GuestRef): string {
  if (guest.name !== null) return show(guest.name);
  return guest.uuid === null ? 'an unknown guest' : show(guest.uuid);
}

export function imageName(image: ImageRef): string {
  if (image.path !== null) return show(image.path);
  const where = image.storage === null ? '' : ` on ${show(image.storage)}`;
  return image.inode === null ? 'an unknown file' : `inode ${image.inode}${where}`;
}

/** `64055:64055`, `svirt_image_t:s0:c1,c2`, or both, as far as stated. */
export function labelText(label: Label | null): string {
  if (label === null) return 'unknown';
  const parts: string[] = [];
  if (label.uid !== null || label.gid !== null) parts.push(formatOwner(label));
  if (label.mode !== null) parts.push(`mode ${(label.mode & 0o7777).toString(8).padStart(4, '0')}`);
  if (label.context !== null) parts.push(show(label.context));
  return parts.length === 0 ? 'not stated' : parts.join(' ');
}

const NAME_COLUMNS_MAX = 120;

export function show(text: ByteText): string {
  return printable(text, NAME_COLUMNS_MAX);
}

/** `850 ms`, `19.0 s`, `4 min 10 s`, `3 h 20 min` */
export function duration(length_ms: number): string {
  if (length_ms < 1000) return `${Math.round(length_ms)} ms`;
  const seconds = length_ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `1 host`, `2 hosts` */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}
