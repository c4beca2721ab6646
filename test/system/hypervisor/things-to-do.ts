import type { Call } from '../../services/hypervisor/caller.js';
import { SHARED_IMAGES } from '../../services/hypervisor.js';
import type { Stage } from './stage.js';

/** Names that a guest may have, and that a careless reader takes for something else. */
export const AWKWARD_NAMES = [
  'two words',
  `it's "quoted"`,
  'käse-日本',
  '$(touch x)`id`',
  '6D7920766D',
  '42',
  '-rf',
  "x': Stopped Destroyed",
  'a=b vm="y" uuid=z',
  'tab\there',
  'n'.repeat(200),
];

/** libvirt-qemu of Debian: user and group */
const QEMU = 64055;

/** As libvirt and admins take an image away … */
export function toRoot(path: string): Call {
  return { call: 'chown', path, uid: 0, gid: 0 };
}

/** … and give it back, by fd. */
export function toQemu(path: string): Call {
  return { call: 'fchown', path, uid: QEMU, gid: QEMU };
}

/** Guests with awkward names begin and end, one after the other. */
export async function runAwkwardGuests(stage: Stage): Promise<void> {
  for (const name of AWKWARD_NAMES) {
    const image = `${SHARED_IMAGES}/${name}.raw`;
    const guest = await stage.define(name, [image]);
    await stage.start(guest);
    await stage.make(toRoot(image), toQemu(image));
    await stage.destroy(guest);
  }
}

/** Every kind of call on the image of a running guest that ends with the label that it began with. */
export function everyKindOfCall(image: string): Call[] {
  const owners = [
    { uid: 0, gid: 0 },
    { uid: QEMU, gid: 0 },
    { uid: QEMU, gid: QEMU },
  ];
  const values = ['', '1', '+0:+0', 'system_u:object_r:svirt_image_t:s0:c1,c2'];
  const names = ['user.note', 'trusted.libvirt.security.dac', 'security.selinux'];
  return [
    ...(['chown', 'lchown', 'fchown', 'fchownat'] as const).flatMap((call) =>
      owners.map((owner): Call => ({ call, path: image, ...owner })),
    ),
    // to what it is, and to nothing at all
    { call: 'chown', path: image, uid: QEMU, gid: QEMU },
    { call: 'chown', path: image, uid: -1, gid: -1 },
    ...names.flatMap((name) => [
      ...(['setxattr', 'lsetxattr', 'fsetxattr'] as const).flatMap((call) =>
        values.map((value): Call => ({ call, path: image, name, value })),
      ),
      { call: 'removexattr', path: image, name } as const,
      // there is none any more: ENODATA
      { call: 'removexattr', path: image, name } as const,
      { call: 'setxattr', path: image, name, value: '1' } as const,
      { call: 'lremovexattr', path: image, name } as const,
      { call: 'setxattr', path: image, name, value: '1' } as const,
      { call: 'fremovexattr', path: image, name } as const,
    ]),
    // not allowed: EPERM
    { call: 'chown', path: image, uid: 1, gid: 1, as: 65534 },
    { call: 'setxattr', path: image, name: 'trusted.x', value: '1', as: 65534 },
    // no such file: ENOENT, which the rules of a directory do not see
    { call: 'chown', path: `${image}.gone`, uid: 1, gid: 1 },
    // under another name it is the same file
    { call: 'rename', path: image, to: `${image}.moved` },
    { call: 'chown', path: `${image}.moved`, uid: 0, gid: 0 },
    { call: 'rename', path: `${image}.moved`, to: image },
    { call: 'chown', path: image, uid: QEMU, gid: QEMU },
  ];
}
