import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { hostSources } from '../../src/collect/host-sources.js';
import { SCHEMA } from '../../src/config/schema.js';
import { DISCONNECTED, Received, STAYS, StandInVirsh, start, temporaryDirectory } from './stand-in.js';

const CAPTURE = join(import.meta.dirname, '../golden/captures/start/hosta');
const PATIENCE = { timeout: 20_000, interval: 20 };
const UUID = 'aaaaaaaa-0000-4000-8000-000000000001';
const BOOT = { id: null, began_us: null };

function sourcesWith(collect: Record<string, unknown>) {
  const settings = SCHEMA.parse({ cluster: 'lab', host: 'hosta', collect }).collect;
  const place = { cluster: 'lab', host: 'hosta', boot: BOOT, root: temporaryDirectory() };
  return hostSources({ ...place, settings: () => settings });
}

describe('hostSources', () => {
  it.each([
    [{}, ['host-facts', 'virsh-event', 'kernel-losses']],
    [
      { libvirt: { monitor_events: true } },
      ['host-facts', 'virsh-event', 'qemu-monitor-event', 'kernel-losses'],
    ],
    [{ libvirt: { events: false }, kernel_losses: { auditctl: null } }, ['host-facts']],
  ])('are those that the configuration %j asks for', (collect, names) => {
    const { sources, losses } = sourcesWith(collect);
    expect(sources.map(({ name }) => name)).toEqual(names);
    expect(losses === null).toBe(!names.includes('kernel-losses'));
  });

  it('ask libvirt who runs, after a hole as well, and only read', async () => {
    const virsh = new StandInVirsh()
      .answer('list', `${UUID} vm1\n`)
      .answer(`state-${UUID}`, 'running (booted)\n')
      .answer(`xml-${UUID}`, readFileSync(join(CAPTURE, 'domain-vm1.xml')))
      .answer('version', readFileSync(join(CAPTURE, 'virsh-version')))
      .answer('capabilities', readFileSync(join(CAPTURE, 'capabilities.xml')));
    const log = virsh.file('log', readFileSync(join(CAPTURE, 'virsh-event.log')));
    virsh.run(1, `echo "$*" > "$dir/arguments"; cat ${log}; sleep 2; ${DISCONNECTED}`).run(2, STAYS);
    const { sources } = sourcesWith({ libvirt: { virsh: virsh.path }, kernel_losses: { auditctl: null } });
    const received = new Received();
    for (const source of sources) start(source, null, received);
    const lists = () => received.of('GuestsListed').map(({ body }) => body.guests);
    await vi.waitFor(() => expect(lists()).toHaveLength(1), PATIENCE);
    await vi.waitFor(
      () => expect(received.of('GapDetected').map(({ body }) => body.kind)).toEqual(['event-stream-ended']),
      PATIENCE,
    );
    await vi.waitFor(() => expect(lists().length).toBeGreaterThan(1), PATIENCE);
    expect(new Set(lists().map((guests) => guests[0]?.guest.uuid))).toEqual(new Set([UUID]));
    const named = received.of('LifecycleChanged').map(({ body }) => body.guest);
    expect(named.length).toBeGreaterThan(1);
    expect(named.every(({ uuid, name }) => uuid === UUID && name === 'vm1')).toBe(true);
    expect(virsh.left('arguments').trim()).toBe('-r -c qemu:///system uri; event --loop --all --timestamp');
  }, 60_000);
});
