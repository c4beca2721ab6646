import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RelabelObserved } from '../../../src/events/event.js';
import { accountedBytes, CAPTURES, eventsOf, type Reading, read } from './reading.js';

interface TrueRelabel {
  host: string;
  serial: number;
  audit_t: number;
  syscall: string;
  success: boolean;
  exit: string;
  path_raw: string;
  inode: string;
  dev: string;
  comm: string;
  pid: string;
  kind: string;
  before_in_audit?: { uid: number; gid: number };
  /** owner or context; not there for other attributes */
  asked?: string | { uid: number; gid: number };
}

const captures = readdirSync(CAPTURES);

/** Rotated files are older the higher their number. */
function auditFiles(capture: string, host: string): Buffer[] {
  const directory = join(CAPTURES, capture, host);
  return readdirSync(directory)
    .filter((name) => /^audit\.log(\.\d+)?$/.test(name))
    .sort((a, b) => rotation(b) - rotation(a))
    .map((name) => readFileSync(join(directory, name)));
}

function rotation(name: string): number {
  return Number(name.slice('audit.log.'.length) || 0);
}

function hostsOf(capture: string): string[] {
  return readdirSync(join(CAPTURES, capture)).filter((host) => auditDirectory(capture, host));
}

function auditDirectory(capture: string, host: string): boolean {
  return existsSync(join(CAPTURES, capture, host, 'audit.log'));
}

function truthOf(capture: string): TrueRelabel[] {
  return JSON.parse(readFileSync(join(CAPTURES, capture, 'truth.json'), 'utf8')).relabels;
}

/** The recorder's name is as the record has it; ours is joined where it started from the working directory. */
function relativeToCwd(relabel: RelabelObserved): boolean {
  return relabel.path_quality === 'joined';
}

function decimalDevice(hex: string): string {
  return hex
    .split(':')
    .map((part) => Number.parseInt(part, 16))
    .join(':');
}

describe.each(captures)('capture %s', (capture) => {
  const readings = new Map<string, Reading>();
  for (const host of hostsOf(capture)) readings.set(host, read(auditFiles(capture, host)));

  it('has every relabel of the truth', () => {
    for (const truth of truthOf(capture)) {
      const relabels = eventsOf(readings.get(truth.host) as Reading, 'RelabelObserved');
      const relabel = relabels.find(({ body }) => body.serial === truth.serial)?.body as RelabelObserved;
      expect(relabel, `${truth.host} ${truth.serial}`).toMatchObject({
        call: truth.syscall,
        success: truth.success,
        exit: Number(truth.exit),
        path: relativeToCwd(relabel) ? `/var/lib/libvirt/images/${truth.path_raw}` : truth.path_raw,
        inode: truth.inode,
        dev: decimalDevice(truth.dev),
        comm: truth.comm,
        pid: Number(truth.pid),
        missing_records: [],
      });
      if (typeof truth.asked === 'string') {
        expect(relabel).toMatchObject({ asked_context: truth.asked, attribute_confidence: 'certain' });
      } else if (truth.asked !== undefined) {
        expect({ uid: relabel.asked_uid, gid: relabel.asked_gid }).toEqual(truth.asked);
        expect({ uid: relabel.before_uid, gid: relabel.before_gid }).toEqual(truth.before_in_audit);
      }
    }
  });

  it('rejects nothing and accounts for every byte', () => {
    for (const [host, reading] of readings) {
      const length = auditFiles(capture, host).reduce((sum, file) => sum + file.length, 0);
      expect(reading.rejected, host).toEqual([]);
      expect(accountedBytes(reading), host).toBe(length);
    }
  });

  it('gives each event an id of its own', () => {
    for (const { events } of readings.values()) {
      const ids = events.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });
});

it('a plugin sees the events of the file', () => {
  const directory = join(CAPTURES, 'node-name', 'hostb');
  const file = read(readFileSync(join(directory, 'audit.log')));
  const plugin = read(readFileSync(join(directory, 'audit-plugin.log')));
  const inFile = new Set(eventsOf(file, 'RelabelObserved').map(({ id }) => id));
  const inBoth = eventsOf(plugin, 'RelabelObserved').filter(({ id }) => inFile.has(id));
  expect(inBoth.length).toBeGreaterThan(0);
  for (const event of inBoth) {
    const { body } = eventsOf(file, 'RelabelObserved').find(({ id }) => id === event.id) as typeof event;
    expect(event.body).toEqual(body);
  }
});

it('tells a guest that loses its disk to another label from the noise of its start', () => {
  const reading = read(auditFiles('enf-s2-port', 'hosta'));
  const denied = eventsOf(reading, 'AccessDenied').filter(({ body }) => !body.permissive);
  expect(denied.length).toBeGreaterThan(0);
  for (const { body } of denied) {
    expect(body.permissions).toBe('write');
    expect(body.file_context).toContain(':svirt_image_t:');
    expect(body.dev).toMatch(/^\d+:\d+$/);
  }
});
