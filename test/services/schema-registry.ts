import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import { unreadable } from '../../scripts/schema-compatibility.js';

/**
 * A schema registry for tests: the part of Confluent's documented HTTP API that is used, with its status and error
 * codes, in memory.
 */

const MEDIA_TYPE = 'application/vnd.schemaregistry.v1+json';

interface Version {
  id: number;
  schema: object;
}

/** An answer that is no success. */
class Refused extends Error {
  readonly status: number;
  readonly error_code: number;

  constructor(status: number, error_code: number, message: string) {
    super(message);
    this.status = status;
    this.error_code = error_code;
  }
}

export class SchemaRegistry {
  readonly #server = createServer((question, answer) => void this.#answer(question, answer));
  readonly #subjects = new Map<string, Version[]>();
  readonly #levels = new Map<string, string>();
  readonly #ids: object[] = [];
  /** `POST /subjects/…`, in the order in which they came */
  readonly asked: string[] = [];
  /** what every question has to have as `Authorization` */
  authorization: string | null = null;
  globalLevel = 'BACKWARD';
  /** what is answered in place of everything: nothing at all, or a status with a text */
  trouble: 'no answer' | { status: number; body: string } | null = null;

  static async start(): Promise<SchemaRegistry> {
    const registry = new SchemaRegistry();
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Also as if others had registered it. */
  register(subject: string, schema: object): number {
    const versions = this.#subjects.get(subject) ?? [];
    const known = versions.find((version) => isDeepStrictEqual(version.schema, schema));
    if (known !== undefined) return known.id;
    let id = this.#ids.findIndex((other) => isDeepStrictEqual(other, schema)) + 1;
    if (id === 0) id = this.#ids.push(schema);
    this.#subjects.set(subject, [...versions, { id, schema }]);
    return id;
  }

  subjects(): Record<string, number> {
    return Object.fromEntries([...this.#subjects].map(([subject, versions]) => [subject, versions.length]));
  }

  levelOf(subject: string): string | undefined {
    return this.#levels.get(subject);
  }

  setLevel(subject: string, level: string): void {
    this.#levels.set(subject, level);
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(question: IncomingMessage, answer: ServerResponse): Promise<void> {
    this.asked.push(`${question.method} ${question.url}`);
    const body = await text(question);
    if (this.trouble === 'no answer') {
      question.socket.destroy();
      return;
    }
    if (this.trouble !== null) {
      answer.writeHead(this.trouble.status).end(this.trouble.body);
      return;
    }
    try {
      if (this.authorization !== null && question.headers.authorization !== this.authorization)
        throw new Refused(401, 401, 'Unauthorized');
      if (body !== '' && question.headers['content-type'] !== MEDIA_TYPE)
        throw new Refused(415, 415, 'HTTP 415 Unsupported Media Type');
      const said = this.#said(question.method ?? '', new URL(question.url ?? '', this.url), body);
      answer.writeHead(200, { 'content-type': MEDIA_TYPE }).end(JSON.stringify(said));
    } catch (error) {
      const { status, error_code, message } =
        error instanceof Refused ? error : new Refused(500, 50001, String(error));
      answer.writeHead(status, { 'content-type': MEDIA_TYPE }).end(JSON.stringify({ error_code, message }));
    }
  }

  #said(method: string, { pathname, searchParams }: URL, body: string): object {
    const asked = body === '' ? {} : (JSON.parse(body) as Record<string, unknown>);
    const parts = pathname.slice(1).split('/').map(decodeURIComponent);
    const [first = '', second = '', third = '', fourth = ''] = parts;
    if (method === 'GET' && first === 'schemas' && second === 'ids') return this.#byId(Number(third));
    if (first === 'subjects' && method === 'GET' && third === 'versions' && fourth === 'latest')
      return this.#latest(second);
    if (first === 'subjects' && method === 'POST')
      return third === 'versions' ? this.#registered(second, asked) : this.#lookedUp(second, asked);
    if (first === 'compatibility' && method === 'POST' && fourth === 'versions')
      return this.#compared(third, asked);
    if (first === 'config' && method === 'PUT') return this.#levelSet(second, asked);
    if (first === 'config' && method === 'GET') return this.#level(second, searchParams);
    throw new Refused(404, 404, 'HTTP 404 Not Found');
  }

  #byId(id: number): object {
    const schema = this.#ids[id - 1];
    if (schema === undefined) throw new Refused(404, 40403, `Schema ${id} not found`);
    return { schema: JSON.stringify(schema) };
  }

  #registered(subject: string, asked: Record<string, unknown>): object {
    const schema = schemaOf(asked);
    const versions = this.#subjects.get(subject) ?? [];
    const isThere = versions.some((version) => isDeepStrictEqual(version.schema, schema));
    const [reason] = isThere ? [] : this.#objections(subject, schema);
    if (reason !== undefined)
      throw new Refused(409, 409, `Schema being registered is incompatible: ${reason}`);
    return { id: this.register(subject, schema) };
  }

  #latest(subject: string): object {
    const versions = this.#subjects.get(subject);
    if (versions === undefined) throw new Refused(404, 40401, `Subject '${subject}' not found.`);
    const { id, schema } = versions.at(-1) as Version;
    return { subject, id, version: versions.length, schema: JSON.stringify(schema) };
  }

  #lookedUp(subject: string, asked: Record<string, unknown>): object {
    const schema = schemaOf(asked);
    const versions = this.#subjects.get(subject);
    if (versions === undefined) throw new Refused(404, 40401, `Subject '${subject}' not found.`);
    const index = versions.findIndex((version) => isDeepStrictEqual(version.schema, schema));
    if (index < 0) throw new Refused(404, 40403, 'Schema not found');
    const { id } = versions[index] as Version;
    return { subject, id, version: index + 1, schema: JSON.stringify(schema) };
  }

  #compared(subject: string, asked: Record<string, unknown>): object {
    if (!this.#subjects.has(subject)) throw new Refused(404, 40401, `Subject '${subject}' not found.`);
    const messages = this.#objections(subject, schemaOf(asked));
    return { is_compatible: messages.length === 0, messages };
  }

  /** What speaks against the schema, by the level of the subject. */
  #objections(subject: string, schema: object): string[] {
    const level = this.#levels.get(subject) ?? this.globalLevel;
    const all = this.#subjects.get(subject) ?? [];
    const others = level.endsWith('_TRANSITIVE') ? all : all.slice(-1);
    return others
      .flatMap((other) => [
        ...(/^(BACKWARD|FULL)/.test(level) ? [unreadable(schema, other.schema)] : []),
        ...(/^(FORWARD|FULL)/.test(level) ? [unreadable(other.schema, schema)] : []),
      ])
      .filter((reason) => reason !== null);
  }

  #levelSet(subject: string, { compatibility }: Record<string, unknown>): object {
    if (!/^(NONE|(BACKWARD|FORWARD|FULL)(_TRANSITIVE)?)$/.test(String(compatibility)))
      throw new Refused(422, 42203, 'Invalid compatibility level');
    this.#levels.set(subject, String(compatibility));
    return { compatibility };
  }

  #level(subject: string, parameters: URLSearchParams): object {
    const own = this.#levels.get(subject);
    const isGlobal = subject === '' || parameters.get('defaultToGlobal') === 'true';
    if (own === undefined && !isGlobal)
      throw new Refused(
        404,
        40408,
        `Subject '${subject}' does not have subject-level compatibility configured`,
      );
    return { compatibilityLevel: own ?? this.globalLevel };
  }
}

function schemaOf({ schema }: Record<string, unknown>): object {
  try {
    return JSON.parse(String(schema)) as object;
  } catch {
    throw new Refused(422, 42201, 'Invalid Avro schema');
  }
}
