import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tree } from '../replay/temporary-directory.js';

const INCIDENT = join(import.meta.dirname, '../golden/captures/s4-mismatch-fail');
const GUEST = 'vm1';
const IMAGE_DIRECTORY = '/var/lib/libvirt/images/nfs/';
const IMAGE = `${IMAGE_DIRECTORY}vm1.qcow2`;

/** Names that somebody chose who means harm, as the bytes they are. */
export interface Names {
  guest: Buffer;
  /** last part of the image's path */
  image: Buffer;
  program: Buffer;
}

/** The path of the image under its hostile name. */
export function imagePath({ image }: Names): Buffer {
  return Buffer.concat([Buffer.from(IMAGE_DIRECTORY), image]);
}

/** A real incident in which guest, image and programs have other names, written as each log writes such bytes. */
export function hostileCapture(names: Names): Tree {
  const tree: Tree = {};
  for (const host of ['hosta', 'hostb', 'nfs1'])
    for (const file of readdirSync(join(INCIDENT, host))) {
      const text = readFileSync(join(INCIDENT, host, file), 'latin1');
      tree[`${host}/${file}`] = Buffer.from(rename(file, text, names), 'latin1');
    }
  return tree;
}

/** All text in here is latin1: one character for each byte. */
function rename(file: string, text: string, names: Names): string {
  const guest = names.guest.toString('latin1');
  const image = imagePath(names).toString('latin1');
  if (file === 'audit.log') {
    return text
      .replaceAll(`vm="${GUEST}"`, `vm=${hex(names.guest)}`)
      .replaceAll(`"${IMAGE}"`, hex(imagePath(names)))
      .replaceAll(/ comm="[^"]*"/g, ` comm=${hex(names.program)}`)
      .replaceAll(
        'exe="/usr/sbin/libvirtd"',
        `exe=${hex(Buffer.concat([Buffer.from('/opt/'), names.program]))}`,
      );
  }
  if (file.endsWith('.xml')) {
    return text
      .replaceAll(`<name>${GUEST}</name>`, `<name>${xmlText(guest)}</name>`)
      .replaceAll(IMAGE, xmlText(image));
  }
  return text.replaceAll(`'${GUEST}'`, `'${guest}'`).replaceAll(IMAGE, image);
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex').toUpperCase();
}

function xmlText(text: string): string {
  return text.replaceAll(/[\0-\x1f<>&'"]/g, (character) => `&#x${character.charCodeAt(0).toString(16)};`);
}
