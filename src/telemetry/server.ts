import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { printable } from '../domain/byte-text.js';
import { MigrationAuditError } from '../domain/errors.js';
import { safeJson } from '../domain/safe-json.js';
import type { Condition, Health } from './health.js';

export interface TelemetryOptions {
  /** IP address to listen on */
  address: string;
  /** 0 for any free one */
  port: number;
  health: Health;
  metrics: { readonly contentType: string; text(): Promise<string> };
  /** is told what kept a page from being made */
  onError: (error: unknown) => void;
}

export interface TelemetryServer {
  readonly port: number;
  /** Ends at once, with the connections that are open. */
  close(): Promise<void>;
}

/** Nobody who scrapes needs more; whoever asks for more gets nothing. */
const LIMITS = {
  header_bytes: 8 * 1024,
  header_ms: 5_000,
  request_ms: 5_000,
  keep_alive_ms: 10_000,
  connections: 64,
  check_ms: 1_000,
} as const;

interface Answer {
  status: number;
  type: string;
  body: string;
}

/**
 * /healthz, /readyz and /metrics. Answers hold nothing of the request.
 *
 * @throws MigrationAuditError MA_LISTEN
 */
export async function startTelemetryServer(options: TelemetryOptions): Promise<TelemetryServer> {
  const server = createServer(
    {
      maxHeaderSize: LIMITS.header_bytes,
      headersTimeout: LIMITS.header_ms,
      requestTimeout: LIMITS.request_ms,
      keepAliveTimeout: LIMITS.keep_alive_ms,
      connectionsCheckingInterval: LIMITS.check_ms,
    },
    (request, response) => void respond(request, response, options),
  );
  server.maxConnections = LIMITS.connections;
  await listening(server, options);
  server.on('error', options.onError);
  return { port: (server.address() as AddressInfo).port, close: () => closed(server) };
}

function listening(server: Server, { address, port }: TelemetryOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new MigrationAuditError('MA_LISTEN', `${address} port ${port}`, cause.message, { cause })),
    );
    server.listen({ host: address, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  options: TelemetryOptions,
): Promise<void> {
  const { status, type, body } = await answerTo(request, options).catch((error: unknown) => {
    options.onError(error);
    return text(500, 'the page could not be made; the log says why');
  });
  const bytes = Buffer.from(body);
  response.writeHead(status, {
    'content-type': type,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 && { allow: 'GET, HEAD' }),
    // a body that nobody reads is not worth waiting for
    ...(hasBody(request) && { connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

async function answerTo(
  { method, url = '' }: IncomingMessage,
  { health, metrics }: TelemetryOptions,
): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET and HEAD');
  switch (url.split('?', 1)[0]) {
    case '/healthz':
      return health.death === null ? text(200, 'alive') : text(503, printable(health.death));
    case '/readyz':
      return json(health.isReady ? 200 : 503, {
        ready: health.isReady,
        conditions: health.conditions.map(conditionInJson),
      });
    case '/metrics':
      return { status: 200, type: metrics.contentType, body: await metrics.text() };
    default:
      return text(404, 'there are /healthz, /readyz and /metrics');
  }
}

function conditionInJson({ name, isReady, reason, since_ms }: Condition): Record<string, unknown> {
  return { name, ready: isReady, reason, since: new Date(since_ms).toISOString() };
}

function text(status: number, words: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${words}\n` };
}

function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${safeJson(value)}\n` };
}
