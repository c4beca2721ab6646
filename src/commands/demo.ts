import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { MigrationAuditError } from '../domain/errors.js';
import { sourcesOfCapture } from '../replay/capture.js';
import { type Replayed, replay } from '../replay/replay.js';
import { pageFor } from './format.js';
import { EXIT, type Io, type SetExit } from './io.js';
import { keepingIn, usingStore } from './store-access.js';
import { paragraph } from './text/columns.js';
import { reportPage } from './text/report-page.js';

/** A failed migration between two hosts of which one runs QEMU as root; nothing in it is made up. */
const INCIDENT = fileURLToPath(new URL('../../examples/s4-mismatch-fail', import.meta.url));
const SECOND_INCIDENT = fileURLToPath(new URL('../../examples/s2-port-p9', import.meta.url));
const CLUSTER = 'demo';

export function demoCommand(io: Io, setExit: SetExit): Command {
  return new Command('demo')
    .summary('replay a real incident that is shipped with this program')
    .description(
      'Replays a real incident through the embedded store, in a temporary directory that is removed afterwards, ' +
        'and shows what was found. Exits with 0 although there is a finding.',
    )
    .option('--live', 'play the incident into the live pipeline, and see findings appear')
    .action(async ({ live = false }: { live?: boolean }) => {
      if (live) await playIncident(io);
      else await showIncident(io);
      setExit(EXIT.nothingFound);
    });
}

async function showIncident(io: Io): Promise<void> {
  const page = pageFor(io, {});
  io.out.write(paragraph(INTRODUCTION, page.columns));
  io.out.write(`${page.style.faint('─'.repeat(page.columns))}\n\n`);
  const { replayed, kept } = await replayThroughStore(io);
  for (const part of reportPage(page, replayed.report, replayed.notes)) io.out.write(part);
  io.out.write(`\n${page.style.faint('─'.repeat(page.columns))}\n`);
  io.out.write(paragraph(kept ? THROUGH_STORE : WITHOUT_STORE, page.columns));
  io.out.write(nextSteps(io));
}

/** In a quarter of its own time: what the logs say as they say it, and what is found as it is stored. */
async function playIncident(io: Io): Promise<void> {
  const { playLive } = await import('./demo-live.js');
  const page = pageFor(io, {});
  io.out.write(paragraph(`${INTRODUCTION} ${LIVE}`, page.columns));
  io.out.write(`${page.style.faint('─'.repeat(page.columns))}\n`);
  const report = await playLive(io, INCIDENT, (line) => io.out.write(`${line}\n`));
  io.out.write(`${page.style.faint('─'.repeat(page.columns))}\n\n`);
  for (const part of reportPage(page, report, null)) io.out.write(part);
}

const LIVE =
  'You see the logs of the three hosts as they are written, four times as fast, and each finding once it is stored.';
const INTRODUCTION =
  'A real incident, from the logs of two hypervisors and their NFS server. vm1 runs on hosta; somebody tries to ' +
  'migrate it to hostb, the migration fails, and at that moment vm1 starts to get write errors although it never ' +
  'left hosta. Who did it?';
const THROUGH_STORE =
  'This went through the embedded ClickHouse: events in, report out, from a directory that is gone again by now.';
const WITHOUT_STORE =
  'The embedded store (optional package chdb) is not installed, so this was printed without keeping it in between.';

function nextSteps(io: Io): string {
  const again = (path: string) => relative(process.cwd(), path) || path;
  return `
What to try next:
  ${io.self} replay ${again(SECOND_INCIDENT)}
      another incident: libvirt’s own clean-up takes the disk away (bug 822052)
  ${io.self} replay ${again(INCIDENT)} --format json
      the same as above, for programs
  ${io.self} replay YOUR-CAPTURE
      your own logs: docs/guides/replay-an-incident.md says how to collect them
`;
}

/** Events and report into a store, and the report out of it again; without a store, just the report. */
async function replayThroughStore(io: Io): Promise<{ replayed: Replayed; kept: boolean }> {
  const sources = await sourcesOfCapture(INCIDENT);
  const options = { cluster: CLUSTER, signal: io.signal };
  const directory = await mkdtemp(join(tmpdir(), 'migration-audit-demo-'));
  try {
    const { notes } = await keepingIn(directory, CLUSTER, (onEvents) =>
      replay(sources, { ...options, onEvents }),
    );
    const report = await usingStore(io, { store: directory }, (store) => store.report(CLUSTER));
    return { replayed: { report, notes }, kept: true };
  } catch (error) {
    if (!(error instanceof MigrationAuditError && error.code === 'MA_NO_STORE')) throw error;
    return { replayed: await replay(sources, options), kept: false };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
