/**
 * Every error a user can meet, as one closed list. `what` says what went wrong, `hint` what to do about it;
 * docs/reference/errors.md has one section a code and a test keeps both equal.
 */
export const ERRORS = {
  MA_USAGE: { exit: 2, what: 'the command line cannot be used', hint: 'see migration-audit --help' },
  MA_CONFIG: { exit: 2, what: 'the configuration cannot be used', hint: 'correct the named key' },
  MA_LISTEN: {
    exit: 3,
    what: 'the address cannot be listened on',
    hint: 'change listen.address or listen.port, or stop what holds the port',
  },
  MA_NOT_FOUND: { exit: 3, what: 'no such file or directory', hint: 'check the path' },
  MA_UNREADABLE: { exit: 3, what: 'cannot be read', hint: 'check its permissions and type' },
  MA_NOT_A_CAPTURE: {
    exit: 3,
    what: 'holds no host with a log that we know',
    hint: 'a capture is one directory per host with audit.log, virsh-event.log and the like; see docs/guides/replay-an-incident.md',
  },
  MA_NO_STORE: {
    exit: 3,
    what: 'the embedded store cannot be opened',
    hint: 'install the optional package chdb, or leave out --store',
  },
  MA_STORE: { exit: 3, what: 'the store refused', hint: 'see the message; nothing of this call was kept' },
  MA_NOT_IN_STORE: {
    exit: 3,
    what: 'nothing in the store has this name',
    hint: 'list what is there with: migration-audit findings',
  },
  MA_UNKNOWN_SCHEMA: {
    exit: 3,
    what: 'the event has a schema that this version does not know',
    hint: 'upgrade migration-audit: events are readable by every later version',
  },
  MA_BAD_EVENT: {
    exit: 3,
    what: 'the bytes are no event',
    hint: 'the file or message is damaged; the offset says where',
  },
  MA_BAD_RECORD: {
    exit: 3,
    what: 'the bytes are no record of their topic',
    hint: 'something else wrote to the topic, or the message is damaged; the offset says where',
  },
  MA_LOG_DAMAGED: {
    exit: 3,
    what: 'the event log is damaged',
    hint: 'keep a copy of its directory, then restore it or start a new one; collectors read their sources again',
  },
  MA_LOG_FORMAT: {
    exit: 3,
    what: 'the event log cannot be opened',
    hint: 'use the version of migration-audit that wrote it, or name another directory',
  },
  MA_LOG_FULL: {
    exit: 3,
    what: 'the event log is full',
    hint: 'raise its size limit, free disk space, or start the reader that lags; nothing of this call was kept',
  },
  MA_LOG_IN_USE: {
    exit: 3,
    what: 'the event log is in use',
    hint: 'one process writes to a directory at a time: stop the other one, or name another directory',
  },
  MA_LOG_WRITE: {
    exit: 3,
    what: 'the event log cannot be written',
    hint: 'see the message; nothing of this call was kept',
  },
  MA_KAFKA: {
    exit: 3,
    what: 'the Kafka brokers could not do it',
    hint: 'see whether the brokers run and can be reached; long-lived roles try again by themselves',
  },
  MA_KAFKA_REFUSED: {
    exit: 3,
    what: 'the Kafka brokers refuse it',
    hint: 'check event_log.sasl and event_log.ssl, and what the brokers allow this user: docs/guides/fleet.md',
  },
  MA_KAFKA_TOPIC: {
    exit: 3,
    what: 'a Kafka topic is missing or not as it has to be',
    hint: 'migration-audit topics check says what is wrong, migration-audit topics create makes what is missing',
  },
  MA_SCHEMA_REGISTRY: {
    exit: 3,
    what: 'the schema registry could not do it',
    hint: 'see whether it runs and can be reached, and check event_log.schema_registry; long-lived roles try again by themselves',
  },
  MA_SCHEMA_NOT_REGISTERED: {
    exit: 3,
    what: 'a schema is not in the schema registry',
    hint: 'migration-audit topics create registers it; records wait until then',
  },
  MA_NO_DEAD_LETTER: {
    exit: 3,
    what: 'there is no such dead letter',
    hint: 'migration-audit dead-letters list prints the ids; --spool looks into the spool of this host',
  },
  MA_RECORD_TOO_LARGE: {
    exit: 3,
    what: 'a record is larger than the Kafka brokers take',
    hint: 'raise max.message.bytes of the topic, and event_log.batch_bytes_max with it',
  },
  MA_BUG: {
    exit: 3,
    what: 'an error in migration-audit itself',
    hint: 'run it again with MIGRATION_AUDIT_DEBUG=1 and report what it prints',
  },
} as const satisfies Record<string, { exit: number; what: string; hint: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** An error with a code, the place it concerns and the way out of it. */
export class MigrationAuditError extends Error {
  readonly code: ErrorCode;
  /** file, line, offset or key the error is about */
  readonly where: string;
  readonly hint: string;

  constructor(code: ErrorCode, where: string, detail?: string, options?: { cause?: unknown; hint?: string }) {
    super(detail ? `${ERRORS[code].what}: ${detail}` : ERRORS[code].what, { cause: options?.cause });
    this.name = 'MigrationAuditError';
    this.code = code;
    this.where = where;
    this.hint = options?.hint ?? ERRORS[code].hint;
  }

  get exit(): number {
    return ERRORS[this.code].exit;
  }
}
