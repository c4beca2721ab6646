import { MigrationAuditError } from '../../../domain/errors.js';
import { fingerprintOf, typeFrom } from '../../../events/released-schemas.js';
import type { LogRecord, Output } from '../../port.js';
import type { RegistryClient } from './registry-client.js';
import {
  isShared,
  type SharedTopic,
  type SubjectNames,
  schemaIn,
  subjectOf,
  type WrittenSchema,
} from './subjects.js';
import { ownForm, registryForm, registryIdIn } from './wire-form.js';

/** What becomes of records on their way to the topics and back. Inside of the program all of them are in our own form. */
export interface Framing {
  /** @throws MA_SCHEMA_REGISTRY, MA_SCHEMA_NOT_REGISTERED; nothing was sent then */
  outgoing(outputs: readonly Output[]): Promise<readonly Output[]>;
  /** Reads both forms. @throws MA_SCHEMA_REGISTRY when an id cannot be asked for */
  incoming(records: LogRecord[]): Promise<LogRecord[]>;
}

export interface RegistryFramingOptions {
  client: RegistryClient;
  subjects: SubjectNames;
  topicName: (topic: SharedTopic) => string;
  /** holds while everything that was asked of the registry was answered */
  condition: { ready(): void; notReady(reason: string): void } | null;
}

/** Longest time in which an id that the registry does not know is not asked for again. */
const UNKNOWN_MS = 60_000;
/** Ids of others' schemas, by which records can come; ours are a handful. */
const IDS_MAX = 10_000;

/**
 * Records in the form of schema registries. What was asked once is known for good, since ids and schemas never change:
 * a registry that is away keeps nobody from going on with what is known.
 */
export class RegistryFraming implements Framing {
  readonly #options: RegistryFramingOptions;
  readonly #ids = new Map<string, number>();
  /** null: a schema that is not Avro, or none at all */
  readonly #fingerprints = new Map<number, string | null>();
  readonly #unknownUntil = new Map<number, number>();
  readonly #asking = new Map<string, Promise<unknown>>();
  readonly #failing = new Map<string, string>();

  constructor(options: RegistryFramingOptions) {
    this.#options = options;
  }

  async outgoing(outputs: readonly Output[]): Promise<readonly Output[]> {
    const framed: Output[] = [];
    for (const output of outputs) {
      const { topic, record } = output;
      const schema = isShared(topic) ? schemaIn(topic, record.value) : null;
      if (schema === null) {
        framed.push(output); // a dead letter that is sent again can be anything
        continue;
      }
      const id = await this.#idOf(topic as SharedTopic, schema);
      framed.push({ topic, record: { ...record, value: registryForm(record.value, id) } });
    }
    return framed;
  }

  async incoming(records: LogRecord[]): Promise<LogRecord[]> {
    for (const record of records) {
      const id = isShared(record.topic) ? registryIdIn(record.value) : null;
      if (id === null) continue;
      const fingerprint = await this.#fingerprintOf(id);
      // what stays as it is goes to the dead letters, which say the id
      if (fingerprint !== null) record.value = ownForm(record.value, fingerprint);
    }
    return records;
  }

  async #idOf(topic: SharedTopic, { fingerprint, text }: WrittenSchema): Promise<number> {
    const key = `${topic} ${fingerprint}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const { client, subjects, topicName } = this.#options;
    const subject = subjectOf(subjects, topic, topicName(topic));
    return this.#asked(key, async () => {
      const id = await client.idOf(subject, text);
      if (id === null)
        throw new MigrationAuditError(
          'MA_SCHEMA_NOT_REGISTERED',
          `subject ${subject}`,
          `the schema with fingerprint ${fingerprint}`,
        );
      this.#ids.set(key, id);
      return id;
    });
  }

  async #fingerprintOf(id: number): Promise<string | null> {
    const known = this.#fingerprints.get(id);
    if (known !== undefined) return known;
    if ((this.#unknownUntil.get(id) ?? 0) > performance.now()) return null;
    return this.#asked(`id ${id}`, async () => {
      const schema = await this.#options.client.schemaOf(id);
      const fingerprint = schema === null ? null : fingerprintOfText(schema);
      if (schema === null) bounded(this.#unknownUntil).set(id, performance.now() + UNKNOWN_MS);
      else bounded(this.#fingerprints).set(id, fingerprint);
      return fingerprint;
    });
  }

  /** Once for all who want to know it at the same time. */
  #asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
    const running = this.#asking.get(what) as Promise<T> | undefined;
    if (running !== undefined) return running;
    const asking = ask()
      .then(
        (answer) => {
          this.#failing.delete(what);
          return answer;
        },
        (error: Error) => {
          this.#failing.set(what, error.message);
          throw error;
        },
      )
      .finally(() => {
        this.#asking.delete(what);
        this.#tell();
      });
    this.#asking.set(what, asking);
    return asking;
  }

  #tell(): void {
    const [reason] = this.#failing.values();
    if (reason === undefined) this.#options.condition?.ready();
    else this.#options.condition?.notReady(reason);
  }
}

function bounded<V>(map: Map<number, V>): Map<number, V> {
  if (map.size >= IDS_MAX) map.clear();
  return map;
}

/** Of the parsing canonical form, so that it is the same whoever registered the schema; null when it is no schema. */
function fingerprintOfText(text: string): string | null {
  try {
    return fingerprintOf(typeFrom(JSON.parse(text)));
  } catch {
    return null;
  }
}
