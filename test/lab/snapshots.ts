/** The files that the lab kept beside the logs, with what a verdict can rest on. */

export interface MountPlan {
  mount_point: string;
  source: string;
  fs_type: string;
  /** `major:minor`, decimal */
  dev: string;
  options?: string;
  /** what of the file system is mounted there */
  root?: string;
}

export function mountinfoOf(mounts: readonly MountPlan[]): string {
  const root = '28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro';
  const own = mounts.map(
    (
      {
        mount_point,
        source,
        fs_type,
        dev,
        options = 'rw,vers=4.2,local_lock=none,addr=10.77.0.20',
        root: from = '/',
      },
      index,
    ) =>
      `${60 + index} 28 ${dev} ${from} ${mount_point} rw,relatime shared:${120 + index} - ${fs_type} ${source} ${options}`,
  );
  return `${[root, ...own].join('\n')}\n`;
}

export function qemuConfOf(uid: number, leavesOwners = false): string {
  const user = uid === 0 ? 'root' : 'libvirt-qemu';
  return `vnc_listen = "0.0.0.0"\nuser = "${user}"\ngroup = "${user}"\ndynamic_ownership = ${leavesOwners ? 0 : 1}\nremember_owner = 1\n`;
}

export function capabilitiesOf(uid: number, selinux: boolean): string {
  const models = [
    ...(selinux ? [secmodel('selinux', 'system_u:system_r:svirt_t:s0')] : [secmodel('none', null)]),
    secmodel('dac', `+${uid}:+${uid}`),
  ];
  return `<capabilities>\n  <host>\n    <cpu/>\n${models.join('\n')}\n  </host>\n</capabilities>\n`;
}

function secmodel(model: string, label: string | null): string {
  const base =
    label === null
      ? ''
      : `\n      <baselabel type='kvm'>${label}</baselabel>\n      <baselabel type='qemu'>${label}</baselabel>`;
  return `    <secmodel>\n      <model>${model}</model>\n      <doi>0</doi>${base}\n    </secmodel>`;
}

export interface DomainFiles {
  disks: DiskXml[];
  boot: { role: string; path: string }[];
}

interface DiskXml {
  chain: string[];
  shareable: boolean;
  read_only: boolean;
  relabel: boolean;
}

/** @param id null when the guest is shut off: then the XML has neither backing chain nor labels */
export function domainXmlOf(
  guest: { name: string; uuid: string },
  id: number | null,
  { disks, boot }: DomainFiles,
  labels: { uid: number; context: string | null },
): string {
  const flags = (disk: DiskXml) =>
    `${disk.read_only ? '\n      <readonly/>' : ''}${disk.shareable ? '\n      <shareable/>' : ''}`;
  const source = ({ chain: [path = ''], relabel }: DiskXml, index: number) => {
    const attributes = `${path.startsWith('/dev/') ? 'dev' : 'file'}='${escaped(path)}'${id === null ? '' : ` index='${index + 1}'`}`;
    return relabel
      ? `<source ${attributes}/>`
      : `<source ${attributes}>\n        <seclabel model='dac' relabel='no'/>\n      </source>`;
  };
  const os = boot.map(({ role, path }) => `\n    <${role}>${escaped(path)}</${role}>`).join('');
  const devices = disks.map(
    (disk, index) =>
      `    <disk type='${disk.chain[0]?.startsWith('/dev/') ? 'block' : 'file'}' device='disk'>\n      <driver name='qemu' type='raw'/>\n      ${source(disk, index)}${id === null ? '' : backingOf(disk.chain.slice(1))}\n      <target dev='vd${'abcdef'[index]}' bus='virtio'/>${flags(disk)}\n    </disk>`,
  );
  const seclabels =
    id === null
      ? ''
      : `${labels.context === null ? '' : `\n  <seclabel type='dynamic' model='selinux' relabel='yes'>\n    <label>${labels.context.replace('object_r:svirt_image_t', 'system_r:svirt_t')}</label>\n    <imagelabel>${labels.context}</imagelabel>\n  </seclabel>`}
  <seclabel type='dynamic' model='dac' relabel='yes'>\n    <label>+${labels.uid}:+${labels.uid}</label>\n    <imagelabel>+${labels.uid}:+${labels.uid}</imagelabel>\n  </seclabel>`;
  return `<domain type='qemu'${id === null ? '' : ` id='${id}'`}>\n  <name>${escaped(guest.name)}</name>\n  <uuid>${guest.uuid}</uuid>\n${os === '' ? '' : `  <os>${os}\n  </os>\n`}  <devices>\n${devices.join('\n')}\n  </devices>${seclabels}\n</domain>\n`;
}

function backingOf([next, ...rest]: string[]): string {
  if (next === undefined) return '\n      <backingStore/>';
  return `\n      <backingStore type='file'>\n        <format type='raw'/>\n        <source file='${escaped(next)}'/>${backingOf(rest)}\n      </backingStore>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&apos;');
}
