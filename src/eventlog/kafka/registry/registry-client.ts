import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { MigrationAuditError } from '../../../domain/errors.js';

/** How to reach a schema registry. Secrets are in it: never log it. */
export interface RegistrySettings {
  url: string;
  /** PEM of the authorities that its certificate is checked with; null: those of Node.js */
  ca: string | null;
  /** the header of that name, asked for with every request, so that others can renew what is in it */
  authorization: () => Promise<string | null>;
}

const MEDIA_TYPE = 'application/vnd.schemaregistry.v1+json';
const REQUEST_TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const MESSAGE_CHARACTERS_MAX = 500;

/** The registry's own codes for what is not there, beside that of a wrong address or a proxy. */
const NOT_FOUND = {
  subject: 40401,
  version: 40402,
  schema: 40403,
  subject_level: 40408,
} as const;
const HTTP_CONFLICT = 409;

/** What it said with an HTTP status that is no success. */
class Refusal extends MigrationAuditError {
  readonly status: number;
  /** the registry's own; null when it was not a registry that answered */
  readonly error_code: number | null;

  constructor(where: string, status: number, said: { error_code: number | null; message: string }) {
    super('MA_SCHEMA_REGISTRY', where, `HTTP ${status}: ${said.message}`);
    this.status = status;
    this.error_code = said.error_code;
  }
}

/**
 * A schema registry over HTTP, as Confluent documents it and others offer it too.
 *
 * All calls fail with MA_SCHEMA_REGISTRY when it cannot be reached, or refuses, or says what is no answer.
 */
export class RegistryClient {
  readonly #settings: RegistrySettings;

  constructor(settings: RegistrySettings) {
    this.#settings = settings;
  }

  /** The id of a schema in a subject; null when it is not registered there. */
  async idOf(subject: string, schema: string): Promise<number | null> {
    const path = `/subjects/${encodeURIComponent(subject)}`;
    const found = await orNull([NOT_FOUND.subject, NOT_FOUND.schema], this.#ask('POST', path, { schema }));
    return found === null ? null : this.#numberIn(found, 'id', path);
  }

  async hasSubject(subject: string): Promise<boolean> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions/latest`;
    return (await orNull([NOT_FOUND.subject, NOT_FOUND.version], this.#ask('GET', path))) !== null;
  }

  /** The Avro schema with an id; null when there is none, or it is of another kind. */
  async schemaOf(id: number): Promise<string | null> {
    const path = `/schemas/ids/${id}`;
    const found = await orNull([NOT_FOUND.schema], this.#ask('GET', path));
    if (found === null || (found['schemaType'] ?? 'AVRO') !== 'AVRO') return null;
    if (typeof found['schema'] !== 'string') throw this.#noAnswer(path, 'schema');
    return found['schema'];
  }

  /** The id that it has from now on, or had. Null when the registry's rules of compatibility refuse it. */
  async register(subject: string, schema: string): Promise<number | null> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`;
    try {
      return this.#numberIn(await this.#ask('POST', path, { schema }), 'id', path);
    } catch (error) {
      if (error instanceof Refusal && error.status === HTTP_CONFLICT) return null;
      throw error;
    }
  }

  /** Why the registry would refuse a schema, in its words; null when it would not, or knows no such subject. */
  async incompatibility(subject: string, schema: string): Promise<string | null> {
    const path = `/compatibility/subjects/${encodeURIComponent(subject)}/versions/latest?verbose=true`;
    const found = await orNull([NOT_FOUND.subject, NOT_FOUND.version], this.#ask('POST', path, { schema }));
    if (found === null || found['is_compatible'] === true) return null;
    if (found['is_compatible'] !== false) throw this.#noAnswer(path, 'is_compatible');
    const messages = Array.isArray(found['messages']) ? found['messages'] : [];
    return cut(messages.map(String).join('; ')) || 'it does not say why';
  }

  /** The level of compatibility that holds for a subject, its own or the registry's. */
  async compatibility(subject: string): Promise<string> {
    const path = `/config/${encodeURIComponent(subject)}?defaultToGlobal=true`;
    // registries that do not know the parameter have no level for a subject without its own
    const found =
      (await orNull([NOT_FOUND.subject, NOT_FOUND.subject_level], this.#ask('GET', path))) ??
      (await this.#ask('GET', '/config'));
    const level = found['compatibilityLevel'];
    if (typeof level !== 'string') throw this.#noAnswer(path, 'compatibilityLevel');
    return level;
  }

  async setCompatibility(subject: string, compatibility: string): Promise<void> {
    await this.#ask('PUT', `/config/${encodeURIComponent(subject)}`, { compatibility });
  }

  async #ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const where = `${method} ${this.#settings.url.replace(/\/$/, '')}${path}`;
    const text = body === undefined ? null : Buffer.from(JSON.stringify(body));
    const authorization = await this.#settings.authorization();
    const { status, bytes } = await this.#exchange(method, path, text, authorization).catch(
      (cause: Error) => {
        throw new MigrationAuditError('MA_SCHEMA_REGISTRY', where, inWords(cause), { cause });
      },
    );
    const said = parsed(bytes);
    if (status >= 200 && status < 300 && said !== null) return said;
    const { error_code, message } = said ?? {};
    throw new Refusal(where, status, {
      error_code: typeof error_code === 'number' ? error_code : null,
      message: typeof message === 'string' ? cut(message) : 'no answer of a schema registry',
    });
  }

  #exchange(
    method: string,
    path: string,
    body: Buffer | null,
    authorization: string | null,
  ): Promise<{ status: number; bytes: Buffer }> {
    const { ca, url } = this.#settings;
    const address = new URL(url.replace(/\/$/, '') + path);
    const options: RequestOptions & { ca?: string } = {
      method,
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      headers: {
        accept: `${MEDIA_TYPE}, application/json`,
        ...(body === null ? {} : { 'content-type': MEDIA_TYPE, 'content-length': body.length }),
        ...(authorization === null ? {} : { authorization }),
      },
      ...(ca === null ? {} : { ca }),
    };
    return new Promise((resolve, reject) => {
      const ask = address.protocol === 'https:' ? httpsRequest : httpRequest;
      const question = ask(address, options, (answer) => {
        bytesOf(answer).then((bytes) => resolve({ status: answer.statusCode ?? 0, bytes }), reject);
      });
      question.on('error', reject);
      question.end(body ?? undefined);
    });
  }

  #numberIn(found: Record<string, unknown>, field: string, path: string): number {
    const value = found[field];
    if (!Number.isInteger(value)) throw this.#noAnswer(path, field);
    return value as number;
  }

  #noAnswer(path: string, field: string): MigrationAuditError {
    return new MigrationAuditError('MA_SCHEMA_REGISTRY', this.#settings.url + path, `it says no ${field}`);
  }
}

/** Null for these codes of the registry. A 404 without one is a wrong address, and no word about a schema. */
async function orNull<T>(codes: readonly number[], asking: Promise<T>): Promise<T | null> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof Refusal && codes.includes(error.error_code ?? 0)) return null;
    throw error;
  }
}

async function bytesOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > ANSWER_BYTES_MAX) throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Null when it is no JSON object. */
function parsed(bytes: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function inWords(cause: Error): string {
  return cause.name === 'TimeoutError' ? `no answer within ${REQUEST_TIMEOUT_MS} ms` : cause.message;
}

function cut(text: string): string {
  return text.slice(0, MESSAGE_CHARACTERS_MAX);
}
