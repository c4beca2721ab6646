import { describe, expect, it } from 'vitest';
import { readGuests } from '../../../src/collect/libvirt/guests.js';
import { Virsh } from '../../../src/collect/libvirt/virsh.js';
import type { RunProgram } from '../../../src/collect/process/run-program.js';

/** A libvirt whose guests change as `step` says, each time that their states are asked for. */
function libvirt(
  step: (round: number) => Record<string, string>,
  xmlOf = (uuid: string) => `<domain>${uuid}</domain>`,
) {
  let round = 0;
  let states: Record<string, string> = {};
  const commands: string[] = [];
  const run: RunProgram = async (_path, args, { output_bytes_max }) => {
    const parts = (args.at(-1) as string).split('; ');
    commands.push(...parts.filter((part) => !part.startsWith('echo')));
    let said = '';
    const answers = parts.map((part) => {
      const uuid = part.split(' ').at(-1) as string;
      if (part.startsWith('echo ')) return `${uuid}\n`;
      if (part.startsWith('list')) {
        states = step(round++);
        return `${Object.keys(states)
          .map((each) => `${each} n-${each.slice(0, 4)}`)
          .join('\n')}\n\n`;
      }
      if (states[uuid] === undefined) said = 'error: failed to get domain';
      if (states[uuid] === undefined) return '\n';
      return part.startsWith('dumpxml') ? `${xmlOf(uuid)}\n\n` : `${states[uuid]}\n\n`;
    });
    const stdout = Buffer.from(answers.join(''));
    if (stdout.length <= output_bytes_max) return { exit: 0, said, failure: null, stdout };
    return {
      exit: null,
      said: '',
      failure: 'printed too much',
      stdout: stdout.subarray(0, output_bytes_max),
    };
  };
  return { virsh: new Virsh({ program: '/virsh', uri: 'u', timeout_ms: 1, run }), commands };
}

function uuidOf(number: number): string {
  return `${number.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`;
}

const [A, B] = [uuidOf(10), uuidOf(11)] as [string, string];
const clock = { now_us: () => 1_000_000 };

describe('readGuests', () => {
  it('reads state, reason, name and XML of every guest', async () => {
    const { virsh } = libvirt(() => ({ [A]: 'running (migrated)', [B]: 'shut off (unknown)' }));
    expect(await readGuests(virsh, clock)).toMatchObject({
      at_us: 1_000_000,
      complete: true,
      guests: [
        {
          uuid: A,
          name: 'n-0000',
          state: 'running',
          reason: 'migrated',
          xml: Buffer.from(`<domain>${A}</domain>`),
        },
        { uuid: B, state: 'shut off', reason: 'unknown' },
      ],
    });
  });

  it('looks again while guests change', async () => {
    const { virsh } = libvirt((round) => ({ [A]: round < 1 ? 'paused (migrating)' : 'running (migrated)' }));
    expect(await readGuests(virsh, clock)).toMatchObject({ complete: true, guests: [{ state: 'running' }] });
  });

  it('leaves out a guest that never holds still, and does not call the list complete', async () => {
    const { virsh } = libvirt((round) => ({
      [A]: 'running (booted)',
      [B]: round % 2 ? 'paused (user)' : 'running (unpaused)',
    }));
    const found = await readGuests(virsh, clock);
    expect(found).toMatchObject({ complete: false, guests: [{ uuid: A }] });
  });

  it('leaves out a guest that goes away between two questions', async () => {
    const { virsh } = libvirt((round) =>
      round % 2 ? { [A]: 'running (booted)' } : { [A]: 'running (booted)', [B]: 'x' },
    );
    expect(await readGuests(virsh, clock)).toMatchObject({ complete: true, guests: [{ uuid: A }] });
  });

  it('has a host without guests', async () => {
    const { virsh } = libvirt(() => ({}));
    expect(await readGuests(virsh, clock)).toMatchObject({ complete: true, guests: [] });
  });

  it('asks a thousand guests in few processes, and never by name', async () => {
    const states = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [uuidOf(i), 'running (booted)']),
    );
    const { virsh, commands } = libvirt(() => states);
    const found = await readGuests(virsh, clock);
    expect(found).toMatchObject({ complete: true });
    expect((found as { guests: unknown[] }).guests).toHaveLength(1000);
    expect(
      commands.every((each) =>
        /^(list --all --uuid --name|(domstate --reason|dumpxml) [0-9a-f-]{36})$/.test(each),
      ),
    ).toBe(true);
  });

  it('has the other guests when one has more XML than is taken', async () => {
    const huge = 'x'.repeat(33 << 20);
    const { virsh } = libvirt(
      () => ({ [A]: 'running (booted)', [B]: 'running (booted)' }),
      (uuid) => (uuid === A ? huge : '<domain/>'),
    );
    const found = await readGuests(virsh, clock);
    expect(found).toMatchObject({
      complete: true,
      guests: [
        { uuid: A, xml: Buffer.alloc(0) },
        { uuid: B, xml: Buffer.from('<domain/>') },
      ],
    });
  });
});
