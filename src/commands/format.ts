import { Option } from 'commander';
import type { Report } from '../domain/report.js';
import type { ReplayNotes } from '../replay/replay.js';
import { jsonLines, ndjsonLines } from '../replay/report-json.js';
import { EXIT, type Io } from './io.js';
import type { Page } from './text/page.js';
import { reportPage } from './text/report-page.js';
import { styleFor } from './text/style.js';

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

/** Prints the report; the exit code says whether there are findings. */
export function printReport(
  io: Io,
  options: OutputOptions,
  report: Report,
  notes: ReplayNotes | null,
): number {
  const parts =
    options.format === 'text'
      ? reportPage(pageFor(io, options), report, notes)
      : options.format === 'json'
        ? jsonLines(report)
        : ndjsonLines(report);
  for (const part of parts) io.out.write(part);
  return report.findings.length === 0 ? EXIT.nothingFound : EXIT.findings;
}
