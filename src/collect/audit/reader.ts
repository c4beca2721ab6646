import type { EventSink, Origin, Reader } from '../../events/origin.js';
import { LineScanner } from './line-scanner.js';
import { RecordRouter } from './record-router.js';

/**
 * Reads audit records as auditd writes them (RAW, ENRICHED, with or without `node=`), as its plugins receive them and
 * as `ausearch --raw` prints them, and states what they say about labels and guests.
 *
 * Every line is accounted for once, with its newline (a last line without one counts as if it had one): as part of a
 * witness, as rejected, or as foreign. Of a line over 64 KiB the first KiB is rejected and the rest counted among the
 * foreign bytes. Facts of one audit event share their witness; gaps in serials have none.
 */
export class AuditReader implements Reader {
  readonly #router: RecordRouter;
  readonly #scanner: LineScanner;

  constructor(origin: Origin, sink: EventSink) {
    this.#router = new RecordRouter(origin, sink);
    this.#scanner = new LineScanner(this.#router);
  }

  begin(file: string): void {
    this.#scanner.endFile();
    this.#router.beginFile(file);
  }

  write(chunk: Buffer): void {
    this.#scanner.write(chunk);
    this.#router.reportForeign();
  }

  end(): void {
    this.#scanner.endFile();
    this.#router.end();
  }
}
