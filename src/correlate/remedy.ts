import type { ByteText } from '../domain/byte-text.js';
import type { Remedy } from '../domain/report.js';
import { shellWord } from '../domain/shell.js';
import type { Cause } from '../domain/verdict.js';
import { PREVENTIONS } from './causes.js';
import type { HostRecord } from './host-record.js';
import type { Judgement } from './judge.js';
import { isWithin } from './storage.js';

/** The commands that give the owner its images back, and what keeps it from happening again. */
export function remedyOf(
  cause: Cause,
  judgements: readonly Judgement[],
  owner: string | null,
  guestName: ByteText | null,
  paused: boolean,
  records: ReadonlyMap<string, HostRecord>,
): Remedy {
  const commands: Remedy['commands'] = [];
  const seen = new Set<string>();
  const add = (host: string, command: string) => {
    if (seen.has(`${host}\n${command}`)) return;
    seen.add(`${host}\n${command}`);
    commands.push({ host, command });
  };
  for (const judgement of judgements) {
    const { need, call } = judgement;
    if (!need) continue;
    const ownerPath = pathOn(owner, judgement);
    if (ownerPath === null) continue;
    const place = placeToRepair(owner ?? call.record.host, ownerPath, call.storage?.key ?? null, records);
    if (call.event.body.attribute === 'security.selinux') {
      if (need.context !== null)
        add(place.host, `chcon -- ${shellWord(need.context)} ${shellWord(place.path)}`);
    } else if (need.owner) {
      add(place.host, `chown -- ${need.owner.uid}:${need.owner.gid} ${shellWord(place.path)}`);
    }
  }
  if (paused && owner !== null && guestName !== null) add(owner, `virsh resume -- ${shellWord(guestName)}`);
  return { commands, prevention: PREVENTIONS[cause] };
}

/** The image's name on the owner's host, else any name of it. */
function pathOn(owner: string | null, { call, guest }: Judgement): ByteText | null {
  const uses = call.file.uses.filter((use) => use.guest === guest);
  return (uses.find((use) => use.host === owner) ?? uses[0])?.path ?? call.file.path;
}

/** Where root is squashed a chown has to be made on the server itself. */
function placeToRepair(
  host: string,
  path: ByteText,
  storage: string | null,
  records: ReadonlyMap<string, HostRecord>,
): { host: string; path: ByteText } {
  if (storage === null || !storage.startsWith('nfs:')) return { host, path };
  const exported = storage.slice(storage.lastIndexOf(':/') + 1);
  const mount = records.get(host)?.facts.mounts?.findLast((each) => isWithin(path, each.mount_point));
  for (const record of records.values()) {
    const found = record.facts.exports?.find((each) => each.path === exported);
    if (!found || record.host === host) continue;
    const squashed =
      /\broot_squash\b|\ball_squash\b/.test(found.options) && !/\bno_root_squash\b/.test(found.options);
    if (squashed && mount)
      return { host: record.host, path: `${exported}${path.slice(mount.mount_point.length)}` };
  }
  return { host, path };
}
