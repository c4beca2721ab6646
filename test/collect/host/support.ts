import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { snapshotParserFor } from '../../../src/collect/host/files.js';
import type { Event, EventBodies, EventKind, HostFactsRead } from '../../../src/events/event.js';

const CAPTURES = join(import.meta.dirname, '../../golden/captures');
export const AT_US = 1_795_396_325_699_122;

/** What the file `name` with this content tells. */
export function snapshot(name: string, content: string | Buffer): Event[] {
  const parse = snapshotParserFor(name);
  if (!parse) throw new Error(`${name} is no snapshot`);
  const origin = { cluster: 'lab', host: 'hosta', boot: null, file: `/capture/hosta/${name}` };
  return parse(Buffer.from(content as string), origin, AT_US);
}

/** The facts of the only event. */
export function facts(name: string, content: string | Buffer): HostFactsRead {
  const events = snapshot(name, content);
  expect(events.map(({ kind }) => kind)).toEqual(['HostFactsRead']);
  return events[0]?.body as HostFactsRead;
}

export function bodies<K extends EventKind>(events: Event[], kind: K): EventBodies[K][] {
  return events.filter((event) => event.kind === kind).map((event) => event.body as EventBodies[K]);
}

export function captured(scenario: string, host: string, name: string): Buffer {
  return readFileSync(join(CAPTURES, scenario, host, name));
}

/** Every file of every capture. */
export function capturedFiles(): { scenario: string; host: string; name: string }[] {
  return readdirSync(CAPTURES).flatMap((scenario) =>
    ['hosta', 'hostb', 'nfs1'].flatMap((host) =>
      readdirSync(join(CAPTURES, scenario, host)).map((name) => ({ scenario, host, name })),
    ),
  );
}
