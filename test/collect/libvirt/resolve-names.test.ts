import { describe, expect, it } from 'vitest';
import { NameResolver } from '../../../src/collect/libvirt/resolve-names.js';
import { Virsh } from '../../../src/collect/libvirt/virsh.js';
import { VirshEventReader } from '../../../src/collect/libvirt/virsh-event.js';
import type { RunProgram } from '../../../src/collect/process/run-program.js';
import { collect } from './support.js';

const A = 'aaaaaaaa-0000-4000-8000-000000000001';
const B = 'bbbbbbbb-0000-4000-8000-000000000002';
const SIGNAL = new AbortController().signal;

/** A libvirt with these guests, by name; null refuses. */
function libvirt() {
  const host = { guests: {} as Record<string, string> | null, asked: 0, padded: false };
  const run: RunProgram = async (_path, args) => {
    host.asked++;
    const mark = /echo (\S+)$/.exec(args.at(-1) as string)?.[1];
    const failure = host.guests === null ? 'error: failed to connect' : null;
    const lines = Object.entries(host.guests ?? {}).map(([name, uuid]) =>
      host.padded ? `${uuid} ${name.padEnd(30)}\n` : `${uuid} ${name}\n`,
    );
    const stdout = Buffer.from(failure === null ? `${lines.join('')}\n${mark}\n` : `${mark}\n`);
    return { exit: 0, said: failure ?? '', failure, stdout };
  };
  const resolver = new NameResolver(
    new Virsh({ program: '/virsh', uri: 'qemu:///system', timeout_ms: 1, run }),
  );
  return { host, resolver };
}

let second = 0;

function events(...texts: [name: string, what: string][]) {
  const lines = texts.map(
    ([name, what]) =>
      `2026-11-23 00:${String(second++ % 60).padStart(2, '0')}:00.000+0000: event 'lifecycle' for domain '${name}': ${what}\n`,
  );
  return collect((origin, sink) => new VirshEventReader(origin, sink), lines.join('')).events;
}

async function uuids(resolver: NameResolver, ...texts: [name: string, what: string][]) {
  const resolved = await resolver.resolved(events(...texts), SIGNAL);
  return resolved.map(({ body }) => (body as { guest: { uuid: string | null } }).guest.uuid);
}

describe('NameResolver', () => {
  it('asks once for a name, until it may mean another guest', async () => {
    const { host, resolver } = libvirt();
    host.guests = { vm: A };
    expect(await uuids(resolver, ['vm', 'Suspended Paused'], ['vm', 'Resumed Unpaused'])).toEqual([A, A]);
    expect(await uuids(resolver, ['vm', 'Stopped Destroyed'])).toEqual([A]);
    expect(host.asked).toBe(1);
    host.guests = { vm: B };
    expect(await uuids(resolver, ['vm', 'Started Booted'])).toEqual([B]);
    expect(host.asked).toBe(2);
  });

  it('follows a rename', async () => {
    const { host, resolver } = libvirt();
    host.guests = { old: A };
    await uuids(resolver, ['old', 'Stopped Destroyed']);
    host.guests = { new: A };
    expect(await uuids(resolver, ['old', 'Undefined Renamed'], ['new', 'Defined Renamed'])).toEqual([A, A]);
    host.guests = { new: A, old: B };
    expect(await uuids(resolver, ['old', 'Defined Added'], ['new', 'Started Booted'])).toEqual([B, A]);
  });

  it('follows two guests that swap their names between two readings', async () => {
    const { host, resolver } = libvirt();
    host.guests = { x: A, y: B };
    await uuids(resolver, ['x', 'Stopped Shutdown'], ['y', 'Stopped Shutdown']);
    host.guests = { x: B, y: A };
    const swap = await uuids(
      resolver,
      ['x', 'Undefined Renamed'],
      ['z', 'Defined Renamed'],
      ['y', 'Undefined Renamed'],
      ['x', 'Defined Renamed'],
      ['z', 'Undefined Renamed'],
      ['y', 'Defined Renamed'],
    );
    // nobody has `z` any more when it is asked for, so nothing is known of it
    expect(swap).toEqual([A, null, B, B, null, A]);
    expect(await uuids(resolver, ['x', 'Started Booted'], ['y', 'Started Booted'])).toEqual([B, A]);
  });

  it('gives no event the guest that took the name over later', async () => {
    const { host, resolver } = libvirt();
    host.guests = { vm: B };
    const reused = await uuids(
      resolver,
      ['vm', 'Defined Added'],
      ['vm', 'Started Booted'],
      ['vm', 'Stopped Destroyed'],
      ['vm', 'Undefined Removed'],
      ['vm', 'Defined Added'],
      ['vm', 'Suspended Paused'],
    );
    expect(reused).toEqual([null, null, null, null, B, B]);
  });

  it('leaves names alone while libvirt does not answer', async () => {
    const { host, resolver } = libvirt();
    host.guests = null;
    expect(await uuids(resolver, ['vm', 'Started Booted'])).toEqual([null]);
    host.guests = { vm: A };
    expect(await uuids(resolver, ['vm', 'Suspended Paused'])).toEqual([A]);
  });

  it('does not ask about a guest that is gone', async () => {
    const { host, resolver } = libvirt();
    expect(await uuids(resolver, ['vm', 'Undefined Removed'])).toEqual([null]);
    expect(host.asked).toBe(0);
  });

  it('reads columns that are filled with blanks', async () => {
    const { host, resolver } = libvirt();
    host.padded = true;
    host.guests = { 'my vm': A, 'trailing ': B };
    expect(await uuids(resolver, ['my vm', 'Started Booted'], ['trailing ', 'Started Booted'])).toEqual([
      A,
      B,
    ]);
  });

  it('takes neither of two names that differ by blanks alone', async () => {
    const { host, resolver } = libvirt();
    host.guests = { vm: A, 'vm ': B };
    expect(await uuids(resolver, ['vm', 'Started Booted'])).toEqual([null]);
  });

  it('forgets everything when events went by unseen', async () => {
    const { host, resolver } = libvirt();
    host.guests = { vm: A };
    await uuids(resolver, ['vm', 'Suspended Paused']);
    host.guests = { vm: B };
    resolver.forget();
    expect(await uuids(resolver, ['vm', 'Resumed Unpaused'])).toEqual([B]);
  });
});
