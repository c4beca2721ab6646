import { MigrationAuditError } from '../domain/errors.js';

/** Which of the records that were to be appended the log does not take; those before it are acknowledged. */
export class RecordTooLarge extends MigrationAuditError {
  readonly index: number;

  constructor(where: string, index: number, bytes: number, cause: unknown) {
    super('MA_RECORD_TOO_LARGE', where, `a record of ${bytes} bytes`, { cause });
    this.index = index;
  }
}
