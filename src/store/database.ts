import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ClickHouseClient } from '@clickhouse/client';
import { MigrationAuditError } from '../domain/errors.js';
import { escapeText } from './text.js';

export type QueryParams = Record<string, unknown>;
export type Row = readonly unknown[];

/** Bounds of one INSERT: one block for the server, and what one string may comfortably be. */
const BATCH_ROWS = 10_000;
const BATCH_CHARACTERS = 8 * 1024 * 1024;

/**
 * A ClickHouse client, embedded or over HTTP, with what this program needs of it: values only ever as parameters or as
 * rows, errors of our own, and a `close` that waits for running calls (the embedded engine aborts the whole process
 * when it is closed under one).
 */
export class Database {
  readonly #client: ClickHouseClient;
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | null = null;

  constructor(client: ClickHouseClient) {
    this.#client = client;
  }

  /** @param what the statement is for, for messages */
  async execute(what: string, query: string, query_params: QueryParams = {}): Promise<void> {
    await this.#call(what, () => this.#client.command({ query, query_params }));
  }

  async select<T>(what: string, query: string, query_params: QueryParams = {}): Promise<T[]> {
    return this.#call(what, async () => {
      const result = await this.#client.query({ query, query_params, format: 'JSONEachRow' });
      return result.json<T>();
    });
  }

  /**
   * Rows as JSON text: chdb hands a request on as a string, which the binary formats do not survive.
   *
   * @param rows values in the order of `columns`
   */
  async insert(table: string, columns: readonly string[], rows: Iterable<Row>): Promise<void> {
    for (const batch of batchesOf(rows)) {
      await this.#call(table, async () => {
        const { stream } = await this.#client.exec({
          query:
            `INSERT INTO ${table} (${columns.join(', ')}) ` +
            'SETTINGS max_partitions_per_insert_block = 0 FORMAT JSONCompactEachRow',
          values: Readable.from([Buffer.from(batch, 'utf8')], { objectMode: false }),
        });
        await text(stream); // an answer that nobody reads keeps its connection
      });
    }
  }

  /** Waits for the calls that run; later ones are refused. Closing again is the same closing. */
  async close(): Promise<void> {
    this.#closing ??= this.#drainAndClose();
    await this.#closing;
  }

  async #drainAndClose(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    await this.#client.close();
  }

  async #call<T>(what: string, run: () => Promise<T>): Promise<T> {
    if (this.#closing !== null) throw new MigrationAuditError('MA_STORE', what, 'it is closed');
    const call = run();
    this.#running.add(call);
    try {
      return await call;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new MigrationAuditError('MA_STORE', what, message, { cause });
    } finally {
      this.#running.delete(call);
    }
  }
}

/**
 * ClickHouse's codes for values that it cannot make rows of (CANNOT_PARSE_…, TYPE_MISMATCH, INCORRECT_DATA and the
 * like), by which a batch fails however often it is tried.
 */
const ROW_CODES: ReadonlySet<string> = new Set([
  ...['6', '26', '27', '33', '38', '41', '53', '69', '70', '72', '117', '130', '131', '321', '349'],
]);

/** Is it about the rows that were written, and not about the store? */
export function isAboutRows(error: MigrationAuditError): boolean {
  return ROW_CODES.has(codeOf(error) ?? '');
}

const UNKNOWN_TABLE = '60';

export function isAboutMissingTable(error: unknown): boolean {
  return error instanceof MigrationAuditError && codeOf(error) === UNKNOWN_TABLE;
}

/** ClickHouse's own; null when it is not ClickHouse that said so. */
function codeOf(error: MigrationAuditError): string | null {
  if (error.code !== 'MA_STORE') return null;
  const { code } = (error.cause ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : (/\bCode: (\d+)/.exec(error.message)?.[1] ?? null);
}

/** Ids in one statement: over HTTP the parameters travel in the address. */
const IDS_PER_STATEMENT = 200;

/** The ids as parameters, as many at a time as one statement takes. */
export function* idParameters(ids: readonly string[]): Iterable<string[]> {
  for (let from = 0; from < ids.length; from += IDS_PER_STATEMENT)
    yield ids.slice(from, from + IDS_PER_STATEMENT).map(escapeText);
}

function* batchesOf(rows: Iterable<Row>): Iterable<string> {
  let lines: string[] = [];
  let characters = 0;
  for (const row of rows) {
    const line = JSON.stringify(row);
    lines.push(line);
    characters += line.length;
    if (lines.length >= BATCH_ROWS || characters >= BATCH_CHARACTERS) {
      yield lines.join('\n');
      lines = [];
      characters = 0;
    }
  }
  if (lines.length > 0) yield lines.join('\n');
}
