import { describe, expect, it } from 'vitest';
import { bodies, captured, snapshot } from './support.js';

const UUID = '7e570000-0000-4000-8000-000000000001';
const domain = (inner: string, attributes = "type='kvm' id='3'") =>
  snapshot('domain-vm1.xml', `<domain ${attributes}><name>vm1</name><uuid>${UUID}</uuid>${inner}</domain>`);
const imagesOf = (inner: string, attributes?: string) =>
  bodies(domain(inner, attributes), 'ImageAssigned')[0]?.images ?? [];
const completeOf = (inner: string) => bodies(domain(inner, "type='kvm'"), 'ImageAssigned')[0]?.complete;
const disk = (inner: string, attributes = "type='file' device='disk'") =>
  `<devices><disk ${attributes}>${inner}<target dev='vda'/></disk></devices>`;

describe('domain XML', () => {
  it('lists a running guest’s disk with its whole chain', () => {
    const events = snapshot('domain-vm1.xml', captured('s4-mismatch-fail', 'hosta', 'domain-vm1.xml'));
    const guest = { uuid: UUID, name: 'vm1' };
    const common = {
      source: 'file',
      target: 'vda',
      shareable: false,
      relabel_dac: null,
      relabel_selinux: null,
    };
    expect(bodies(events, 'ImageAssigned')).toEqual([
      {
        serial: null,
        source: 'domain-xml',
        guest,
        reason: 'snapshot-of-state',
        complete: true,
        replaces: null,
        images: [
          { role: 'disk', path: '/var/lib/libvirt/images/nfs/vm1.qcow2', read_only: false, ...common },
          { role: 'backing', path: '/var/lib/libvirt/images/nfs/base.raw', read_only: true, ...common },
        ],
      },
    ]);
    expect(bodies(events, 'GuestLabelAssigned')).toEqual([
      {
        serial: null,
        source: 'domain-xml',
        guest,
        model: 'dac',
        process_label: '+64055:+64055',
        image_label: '+64055:+64055',
      },
    ]);
  });

  it('reads both labels and the shareable disk of a SELinux host', () => {
    const events = snapshot('domain-g1.xml', captured('shareable', 'hostb', 'domain-g1.xml'));
    expect(bodies(events, 'GuestLabelAssigned').map(({ model }) => model)).toEqual(['selinux', 'dac']);
    expect(bodies(events, 'ImageAssigned')[0]?.images).toMatchObject([
      { target: 'vda', shareable: false },
      { target: 'vdb', shareable: true, path: '/var/lib/libvirt/images/nfs/shared.raw' },
    ]);
  });

  it('lists mirrors, data stores and read-only media, and skips empty drives', () => {
    const images = imagesOf(
      `<devices>
        <disk type='file' device='cdrom'><source file='/iso &amp; &quot;x&quot;.iso'/><target dev='sda'/><readonly/></disk>
        <disk type='file' device='cdrom'><target dev='sdb'/><readonly/></disk>
        <disk type='file'><driver type='qcow2'/>
          <source file='/a.qcow2'><dataStore type='file'><format type='raw'/><source file='/a.data'/></dataStore></source>
          <backingStore/>
          <mirror type='file' job='copy'><format type='qcow2'/><source file='/copy.qcow2'/>
            <backingStore type='block'><format type='raw'/><source dev='/dev/vg/base'/><backingStore/></backingStore></mirror>
          <target dev='vda'/></disk></devices>`,
    );
    expect(
      images.map(({ role, path, source, target, read_only }) => [role, path, source, target, read_only]),
    ).toEqual([
      ['disk', '/iso & "x".iso', 'file', 'sda', true],
      ['disk', '/a.qcow2', 'file', 'vda', false],
      ['other', '/a.data', 'file', 'vda', false],
      ['mirror', '/copy.qcow2', 'file', 'vda', false],
      ['backing', '/dev/vg/base', 'block', 'vda', true],
    ]);
  });

  it.each([
    ["type='block'", "<source dev='/dev/sdb'/>", 'block', '/dev/sdb'],
    ["type='network'", "<source protocol='rbd' name='p/i'/>", 'network', null],
    ["type='volume'", "<source pool='p' volume='v'/>", 'volume', null],
    ["type='dir'", "<source dir='/d'/>", 'other', '/d'],
    ["type='nvme'", "<source type='pci'/>", 'other', null],
    ['', "<source file='/a'/>", 'other', null],
  ])('names the source of a disk of %s', (attributes, inner, source, path) => {
    expect(imagesOf(disk(inner, attributes))).toMatchObject([{ role: 'disk', source, path }]);
  });

  it('is no complete list where a disk is a volume of a pool', () => {
    const listOf = (inner: string, attributes: string) =>
      bodies(domain(disk(inner, attributes)), 'ImageAssigned')[0]?.complete;
    expect(listOf("<source file='/a'/>", "type='file'")).toBe(true);
    expect(listOf("<source pool='p' volume='v'/>", "type='volume'")).toBe(false);
  });

  it('reads what libvirt keeps in /etc/libvirt/qemu, with its warning on top', () => {
    const warning = '<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n-->\n\n';
    const kept = snapshot('domain-vm1.xml', `${warning}<domain type='kvm'><name>vm1</name></domain>\n`);
    expect(bodies(kept, 'ImageAssigned')[0]?.guest.name).toBe('vm1');
  });

  it('lists firmware, variables and files for direct boot', () => {
    const images = imagesOf(`<os>
      <loader readonly='yes' type='pflash'>/fw/CODE.fd</loader><nvram template='/fw/VARS.fd'>/nv/vm1.fd</nvram>
      <kernel>/k</kernel><initrd>/i</initrd><dtb>/d</dtb><shim>/s</shim><acpi><table type='slic'>/t</table></acpi></os>`);
    expect(images.map(({ role, path, read_only }) => [role, path, read_only])).toEqual([
      ['kernel', '/k', false],
      ['initrd', '/i', false],
      ['dtb', '/d', false],
      ['other', '/s', false],
      ['other', '/t', false],
      ['other', '/fw/CODE.fd', true],
      ['nvram', '/nv/vm1.fd', false],
    ]);
    expect(imagesOf(`<os><nvram type='file'><source file='/nv/new.fd'/></nvram></os>`)).toMatchObject([
      { role: 'nvram', path: '/nv/new.fd', source: 'file' },
    ]);
  });

  it.each([
    ["<source file='/a'><seclabel model='dac' relabel='no'/></source>", '', false, null],
    ["<source file='/a'><seclabel relabel='no'/></source>", '', false, false],
    [
      "<source file='/a'><seclabel model='dac' relabel='yes'/></source>",
      "<seclabel model='dac' relabel='no'/>",
      true,
      null,
    ],
    ["<source file='/a'/>", "<seclabel type='none' model='selinux'/>", null, false],
    ["<source file='/a'/>", "<seclabel type='dynamic' model='dac' relabel='yes'/>", null, null],
  ])('tells which models must not relabel %s in a guest with %j', (source, guestWide, dac, selinux) => {
    expect(imagesOf(disk(source) + guestWide)).toMatchObject([
      { relabel_dac: dac, relabel_selinux: selinux },
    ]);
  });

  it.each([
    ["<driver type='qcow2'/><source file='/a'/>", false],
    ["<driver type='qcow2'/><source file='/a'/><backingStore/>", true],
    ["<driver type='raw'/><source file='/a'/>", true],
    [
      "<driver type='qcow2'/><source file='/a'/><backingStore type='file'><format type='qcow2'/><source file='/b'/></backingStore>",
      false,
    ],
  ])('knows of a guest that does not run whether %s ends its chain', (inner, complete) => {
    expect(completeOf(disk(inner))).toBe(complete);
  });

  it('reads a chain of 200 layers', () => {
    const open = "<backingStore type='file'><format type='qcow2'/><source file='/b'/>";
    const chain = open.repeat(199) + '</backingStore>'.repeat(199);
    expect(imagesOf(disk(`<source file='/a'/>${chain}`))).toHaveLength(200);
  });

  it('does not look into metadata, whatever its elements are called', () => {
    const metadata = `<metadata>${'<constructor>'.repeat(600)}${'</constructor>'.repeat(600)}</metadata>`;
    expect(imagesOf(metadata + disk("<source file='/a'/>"))).toHaveLength(1);
  });
});

const BOMB = `<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">${Array.from(
  { length: 20 },
  (_, i) => `<!ENTITY a${i} "${`&a${i === 0 ? '' : i - 1};`.repeat(10)}">`,
).join('')}]><domain><name>&a19;</name></domain>`;

describe('hostile XML', () => {
  it.each([
    ['an entity bomb', BOMB, /document type/],
    ['an external entity', '<!DOCTYPE d SYSTEM "file:///etc/passwd"><domain/>', /document type/],
    ['deep nesting', `<domain>${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}</domain>`, /damaged XML/],
    ['an element named __proto__', '<domain><__proto__><name>x</name></__proto__></domain>', /damaged XML/],
    ['a repeated attribute', "<domain id='1' id='2'/>", /repeated/],
    ['an element that is not closed', '<domain><name>vm1</domain>', /damaged XML/],
    ['text after the end', '<domain></domain>garbage', /damaged XML/],
    ['text after an end in one tag', '<domain/>garbage', /damaged XML/],
    ['a second document', '<domain/><domain/>', /extra text/],
    ['another element after the end', '<domain/><pool/>', /extra text/],
    ['another document', '<pool type="dir"/>', /no <domain>/],
    ['no text at all', '', /damaged XML/],
    ['zeros', '\0\0\0', /damaged XML/],
  ])('is refused: %s', (_, xml, message) => {
    expect(() => snapshot('domain-vm1.xml', xml)).toThrow(
      expect.objectContaining({ code: 'MA_UNREADABLE', message: expect.stringMatching(message) }),
    );
  });

  it('is refused cut at any place', () => {
    const xml = captured('s4-mismatch-fail', 'hosta', 'domain-vm1.xml');
    const end = xml.lastIndexOf('</domain>') + '</domain>'.length;
    for (let length = 0; length < end; length += 7) {
      expect(() => snapshot('domain-vm1.xml', xml.subarray(0, length)), `${length}`).toThrow();
    }
  });

  it('leaves entities that nobody declared as they stand', () => {
    expect(imagesOf(disk("<source file='/a&unknown;'/>"))).toMatchObject([{ path: '/a&unknown;' }]);
  });

  it('does not mistake attributes for what every object has', () => {
    const [event] = snapshot('domain-x.xml', "<domain toString='x' valueOf='y'><name>n</name></domain>");
    expect(event?.body).toMatchObject({ guest: { uuid: null, name: 'n' }, images: [] });
  });
});
