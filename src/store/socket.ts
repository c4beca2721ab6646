import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { json as readJson } from 'node:stream/consumers';
import { ERRORS, type ErrorCode, MigrationAuditError } from '../domain/errors.js';
import type { Store } from './store.js';

/**
 * One process holds an embedded store. Others of the same machine read it through a socket in its data directory:
 * who may open the socket file may read, nobody can write.
 *
 * HTTP over a Unix socket. A question is a POST to `/` and the name of a method, its arguments a JSON array; the answer
 * is `{answer}` or `{error: {code, where, detail, hint}}`.
 */
export type StoreReader = Pick<Store, (typeof METHODS)[number]>;

const METHODS = ['findings', 'finding', 'timelineOf', 'report', 'counts'] as const;

const MODE = 0o660;
/** What the Linux kernel takes for the path of a socket, with the zero at its end. */
const PATH_BYTES_MAX = 107;
const LIMITS = { question_bytes: 64 * 1024, connections: 16, request_ms: 10_000 } as const;

export interface StoreSocket {
  close(): Promise<void>;
}

/**
 * Answers on the socket until it is closed. A socket file that is there already is taken over: whoever calls this holds
 * the data directory.
 *
 * @throws MigrationAuditError MA_LISTEN
 */
export async function serveStore(store: StoreReader, path: string): Promise<StoreSocket> {
  const hint = 'name a data_directory with a shorter path that this user may write to';
  if (Buffer.byteLength(path) > PATH_BYTES_MAX)
    throw new MigrationAuditError('MA_LISTEN', path, `longer than ${PATH_BYTES_MAX} bytes`, { hint });
  rmSync(path, { force: true });
  const running = new Set<Promise<void>>();
  const server = createServer({ requestTimeout: LIMITS.request_ms }, (question, answer) => {
    const call = respond(store, question, answer).finally(() => running.delete(call));
    running.add(call);
  });
  server.maxConnections = LIMITS.connections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new MigrationAuditError('MA_LISTEN', path, cause.message, { cause, hint })),
    );
    server.listen(path, resolve);
  });
  chmodSync(path, MODE);
  return {
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await Promise.all(running);
      server.closeAllConnections();
      await closed;
    },
  };
}

async function respond(store: StoreReader, question: IncomingMessage, answer: ServerResponse): Promise<void> {
  const said = await answerTo(store, question).then(
    (value) => ({ answer: value }),
    (error: unknown) => ({ error: inWords(error) }),
  );
  answer.writeHead(200, { 'content-type': 'application/json', connection: 'close' });
  await new Promise<void>((resolve) => {
    answer.once('close', resolve);
    answer.end(JSON.stringify(said));
  });
}

async function answerTo(store: StoreReader, question: IncomingMessage): Promise<unknown> {
  const method = METHODS.find((name) => question.url === `/${name}`);
  const bytes = Number(question.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  if (question.method !== 'POST' || method === undefined || !(bytes <= LIMITS.question_bytes))
    throw new MigrationAuditError('MA_STORE', 'store socket', 'it was asked something that it does not know');
  const parameters = (await readJson(question)) as unknown[];
  const ask = store[method] as (...parameters: unknown[]) => Promise<unknown>;
  return ask(...parameters);
}

interface ErrorInWords {
  code: string;
  where: string;
  message: string;
  hint: string;
}

function inWords(error: unknown): ErrorInWords {
  const known =
    error instanceof MigrationAuditError
      ? error
      : new MigrationAuditError('MA_STORE', 'store socket', String(error), { cause: error });
  const { code, where, message, hint } = known;
  return { code, where, message, hint };
}

/** Reads through the socket of the process that holds the store; null when nobody answers there. */
export async function connectStore(path: string): Promise<StoreReader | null> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX || !(await isAnswered(path))) return null;
  const reader = Object.fromEntries(
    METHODS.map((method) => [method, (...parameters: unknown[]) => ask(path, method, parameters)]),
  );
  return reader as unknown as StoreReader;
}

/** @throws MigrationAuditError MA_UNREADABLE when there is a socket that this user may not open */
async function isAnswered(path: string): Promise<boolean> {
  try {
    await exchange(path, 'HEAD', '/', '');
    return true;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') return false;
    throw new MigrationAuditError('MA_UNREADABLE', path, message, {
      cause,
      hint: 'join the group of the running role, or ask as root',
    });
  }
}

async function ask(path: string, method: string, parameters: unknown[]): Promise<unknown> {
  const text = await exchange(path, 'POST', `/${method}`, JSON.stringify(parameters)).catch((cause) => {
    throw new MigrationAuditError('MA_STORE', path, (cause as Error).message, { cause });
  });
  const said = JSON.parse(text) as { answer: unknown } | { error: ErrorInWords };
  if (!('error' in said)) return said.answer;
  const { code, where, message, hint } = said.error;
  const known: ErrorCode = code in ERRORS ? (code as ErrorCode) : 'MA_STORE';
  // the message begins with what the code says, which the error says again
  const { what } = ERRORS[known];
  const detail = message.startsWith(`${what}: `) ? message.slice(what.length + 2) : undefined;
  throw new MigrationAuditError(known, where, detail, { hint });
}

function exchange(socketPath: string, method: string, path: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body) };
    const question = request({ socketPath, method, path, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
      answer.on('error', reject);
    });
    question.on('error', reject);
    question.end(body);
  });
}
