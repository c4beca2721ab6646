import type { Report } from '../../src/domain/report.js';
import { sourcesOfCapture } from '../../src/replay/capture.js';
import { replay } from '../../src/replay/replay.js';

/** The report on one capture directory, as the CLI gets it. */
export async function readCapture(directory: string): Promise<Report> {
  const { report } = await replay(await sourcesOfCapture(directory), { cluster: 'lab' });
  return report;
}
