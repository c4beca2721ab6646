import { Option } from 'commander';
import type { Report } from '../domain/report.js';
import type { ReplayNotes } from '../replay/replay.js';
import { jsonLines, ndjsonLines } from '../replay/report-json.js';
import { EXIT, type Io } from './io.js';
import type { Page } from './text/page.js';
import { reportPage } from './text/report-page.js';
import { styleFor } from './text/style.js';

/** Pieces are written in blocks of about so many characters: each write is a call into the kernel. */
const BLOCK_LENGTH = 1 << 16;

export type Format = 'text' | 'json' | 'ndjson';

export interface OutputOptions {
  format: Format;
  full?: boolean;
}

export function formatOption(): Option {
  return new Option('-f, --format <format>', 'how to print')
    .choices(['text', 'json', 'ndjson'])
    .default('text');
}

export function fullOption(): Option {
  return new Option('--full', 'shorten nothing in text output: whole timelines, whole log lines');
}

export function pageFor(io: Io, { full = false }: { full?: boolean }): Page {
  return { style: styleFor(io), columns: Math.max(40, io.out.columns), full };
}

/**
 * Prints the parts of a report that were asked for, in the format that was asked for.
 *
 * @param textOf what they are as text, in pieces
 */
export function print(
  io: Io,
  options: OutputOptions,
  report: Partial<Report>,
  textOf: (page: Page) => Iterable<string>,
): void {
  const pieces = {
    text: () => textOf(pageFor(io, options)),
    json: () => jsonLines(report),
    ndjson: () => ndjsonLines(report),
  };
  let block = '';
  for (const piece of pieces[options.format]()) {
    block += piece;
    if (block.length < BLOCK_LENGTH) continue;
    io.out.write(block);
    block = '';
  }
  if (block !== '') io.out.write(block);
}

/** Prints the report; the exit code says whether there are findings. */
export function printReport(
  io: Io,
  options: OutputOptions,
  report: Report,
  notes: ReplayNotes | null,
): number {
  print(io, options, report, (page) => reportPage(page, report, notes));
  return report.findings.length === 0 ? EXIT.nothingFound : EXIT.findings;
}
