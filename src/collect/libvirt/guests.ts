import { type ByteText, byteTextFrom } from '../../domain/byte-text.js';
import { groupBy } from '../../domain/group.js';
import { guestStateOf } from '../host/domstate.js';
import type { Clock } from '../process/clock.js';
import type { Virsh } from './virsh.js';

/** Every guest of the host at one moment. */
export interface GuestsNow {
  /** the moment at which all of it held, µs */
  at_us: number;
  /** false when some guest changed each time it was looked at: it is left out */
  complete: boolean;
  guests: GuestNow[];
}

export interface GuestNow {
  uuid: string;
  name: ByteText;
  /** as virsh printed it: `UUID NAME: running (booted)` */
  line: ByteText;
  state: ByteText;
  reason: ByteText | null;
  /** domain XML; empty when it could not be had */
  xml: Buffer;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ATTEMPTS_MAX = 3;
/** A guest's XML has some 10 kB: so many are asked of one virsh. */
const XML_TOGETHER = 100;

/**
 * libvirt has no call that tells all of this at one moment, and guests start and end meanwhile. So states are read before and
 * after: what is the same both times held in between, at `at_us`.
 *
 * @returns in words why libvirt does not tell
 */
export async function readGuests(
  virsh: Virsh,
  clock: Pick<Clock, 'now_us'>,
  signal?: AbortSignal,
): Promise<GuestsNow | string> {
  for (let attempt = 1; ; attempt++) {
    const before = await readStates(virsh, signal);
    if (typeof before === 'string') return before;
    const xmls = await readXmls(virsh, [...before.keys()], signal);
    if (typeof xmls === 'string') return xmls;
    const at_us = clock.now_us();
    const after = await readStates(virsh, signal);
    if (typeof after === 'string') return after;

    const same = [...before.values()].filter(({ uuid, line }) => after.get(uuid)?.line === line);
    const complete = same.length === before.size && same.length === after.size;
    if (!complete && attempt < ATTEMPTS_MAX) continue;
    const guests = same.map((guest) => ({ ...guest, xml: xmls.get(guest.uuid) ?? Buffer.alloc(0) }));
    return { at_us, complete, guests };
  }
}

type GuestState = Omit<GuestNow, 'xml'>;

async function readStates(virsh: Virsh, signal?: AbortSignal): Promise<Map<string, GuestState> | string> {
  const listed = await listGuests(virsh, signal);
  if (typeof listed === 'string') return listed;
  const states = await virsh.ask(
    listed.map(({ uuid }) => `domstate --reason ${uuid}`),
    signal,
  );
  if (typeof states === 'string') return states;
  const found = new Map<string, GuestState>();
  for (const [i, { name, uuid }] of listed.entries()) {
    const line = linesIn(states[i])[0] ?? '';
    const state = guestStateOf(line);
    // one that went away meanwhile is missing from here on
    if (state !== null) found.set(uuid, { uuid, name, line: `${uuid} ${name}: ${line}`, ...state });
  }
  return found;
}

async function readXmls(
  virsh: Virsh,
  uuids: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, Buffer> | string> {
  const xmls = new Map<string, Buffer>();
  for (let i = 0; i < uuids.length; i += XML_TOGETHER) {
    const part = uuids.slice(i, i + XML_TOGETHER);
    const together = await virsh.ask(part.map(dumpxml), signal);
    for (const [j, uuid] of part.entries()) {
      // one guest's XML can be more than is taken at once: the others are had without it
      const alone = typeof together === 'string' ? await virsh.ask([dumpxml(uuid)], signal) : together;
      if (typeof alone !== 'string') xmls.set(uuid, alone[typeof together === 'string' ? 0 : j] as Buffer);
    }
  }
  return xmls;
}

function dumpxml(uuid: string): string {
  return `dumpxml ${uuid}`;
}

/**
 * Which guest has which name, now, by `nameKey`. Names that cannot be told apart are left out.
 *
 * @returns in words why libvirt does not tell
 */
export async function readNames(virsh: Virsh, signal?: AbortSignal): Promise<Map<ByteText, string> | string> {
  const listed = await listGuests(virsh, signal);
  if (typeof listed === 'string') return listed;
  const names = new Map<ByteText, string>();
  for (const [key, guests] of groupBy(listed, ({ name }) => nameKey(name))) {
    const [guest] = guests;
    if (guest !== undefined && guests.length === 1) names.set(key, guest.uuid);
  }
  return names;
}

async function listGuests(
  virsh: Virsh,
  signal?: AbortSignal,
): Promise<{ uuid: string; name: ByteText }[] | string> {
  const answer = await virsh.ask(['list --all --uuid --name'], signal);
  if (typeof answer === 'string') return answer;
  return linesIn(answer[0]).flatMap((line) => {
    const uuid = line.slice(0, UUID_LENGTH);
    return UUID.test(uuid) ? [{ uuid, name: nameKey(line.slice(UUID_LENGTH + 1)) }] : [];
  });
}

const UUID_LENGTH = 36;

/** Some versions of virsh fill the column with blanks, so that names cannot be told apart by blanks at their end. */
export function nameKey(name: ByteText): ByteText {
  return name.trimEnd();
}

function linesIn(output: Buffer | undefined): ByteText[] {
  return byteTextFrom(output ?? Buffer.alloc(0))
    .split('\n')
    .filter((line) => line !== '');
}
