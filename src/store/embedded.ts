import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import type { ChdbConnection } from 'chdb/connection';
import { MigrationAuditError } from '../domain/errors.js';

/**
 * ClickHouse inside this process, on a directory of its own (package chdb, optional because of its size). The engine
 * holds one directory at a time, and a directory belongs to one process at a time.
 *
 * @throws MigrationAuditError MA_NO_STORE when the package is missing or the directory cannot be had
 */
export async function embeddedClient(path: string): Promise<ClickHouseClient> {
  const { Session, createChdbConnection } = await loadEngine(path);
  const directory = resolve(path);
  try {
    await mkdir(directory, { recursive: true });
    // the first one on a directory starts the engine, and is the only one that can be given arguments for it
    const engine = new Session(directory, { connectionArgs: [...ENGINE_ARGUMENTS] });
    const connection = createChdbConnection({ path: directory });
    const closeConnection = connection.close.bind(connection);
    connection.close = async () => {
      await closeConnection();
      engine.close();
    };
    return createClient({ connection: asClientConnection(connection) });
  } catch (cause) {
    throw notAvailable(directory, cause);
  }
}

/**
 * The engine asks the kernel for its memory twenty times a second, to hold its queries to a limit; ours are small. That
 * was a third of what a process at rest computed.
 */
const ENGINE_ARGUMENTS = ['--memory_worker_period_ms=2000'] as const;

type ClientConnection = NonNullable<NonNullable<Parameters<typeof createClient>[0]>['connection']>;

/** The client and the engine carry copies of the same contract, which the compiler takes for two. */
function asClientConnection(connection: ChdbConnection): ClientConnection {
  return connection as unknown as ClientConnection;
}

async function loadEngine(path: string) {
  try {
    const [{ Session }, { createChdbConnection }] = await Promise.all([
      import('chdb'),
      import('chdb/connection'),
    ]);
    return { Session, createChdbConnection };
  } catch (cause) {
    throw new MigrationAuditError(
      'MA_NO_STORE',
      path,
      'the package chdb is not installed, or not for this system',
      {
        cause,
      },
    );
  }
}

function notAvailable(directory: string, cause: unknown): MigrationAuditError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (/only one active data directory/.test(message)) {
    return new MigrationAuditError(
      'MA_NO_STORE',
      directory,
      'this process has a store open in another directory',
      {
        cause,
        hint: 'close that one first: the embedded engine holds one directory at a time',
      },
    );
  }
  if (/Failed to create connection/.test(message)) {
    return new MigrationAuditError(
      'MA_NO_STORE',
      directory,
      'the directory is in use, damaged or not writable',
      {
        cause,
        hint: 'a store belongs to one process at a time: stop the other one, or use a ClickHouse server',
      },
    );
  }
  return new MigrationAuditError('MA_NO_STORE', directory, message, { cause });
}
