import { pino } from 'pino';

/** Says nothing, or everything on standard error where MIGRATION_AUDIT_TEST_LOG is set. */
export const testLogger = pino(
  { level: process.env['MIGRATION_AUDIT_TEST_LOG'] === undefined ? 'silent' : 'debug' },
  pino.destination(2),
);
