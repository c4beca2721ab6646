import { z } from 'zod';
import {
  absolutePath,
  hostsAndPorts,
  httpUrl,
  kind,
  name,
  oneOf,
  secret,
  wholeNumber,
  word,
  yesOrNo,
} from './forms.js';
import { KEY_FACTS, type KeyFacts } from './key-facts.js';

const KIB = 1024;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const TIB = 1024 ** 4;

const KINDS = ['local', 'kafka'] as const;
const KIND_FACTS: KeyFacts = {
  about:
    'where events are kept: `local` is in the data directory of one machine; `kafka` is a Kafka cluster, to which ' +
    'collectors forward what they keep in their data directory until then',
  reload: 'restart',
};

const bytesMax = () =>
  wholeNumber(64 * MIB, 16 * TIB)
    .default(8 * GIB)
    .register(KEY_FACTS, {
      about:
        'size of the event log in the data directory, in bytes; collecting waits when it is full of events that ' +
        'nobody has read, or that no broker has taken',
      reload: 'restart',
    });

const retainH = () =>
  wholeNumber(1, 87_600)
    .default(168)
    .register(KEY_FACTS, {
      about:
        'time for which events are kept after everybody has read them, in hours; topics that `topics create` makes ' +
        'keep them for as long, whether they were read or not',
      reload: 'applied',
    });

const ssl = z
  .strictObject({
    enabled: yesOrNo().default(true).register(KEY_FACTS, {
      about: 'speak TLS with the brokers; `false` sends everything in the clear, the password too',
      reload: 'restart',
    }),
    ca_file: absolutePath().nullable().default(null).register(KEY_FACTS, {
      about:
        'PEM file with the authorities that the brokers’ certificates are checked with; `null`: those of Node.js',
      reload: 'restart',
    }),
    cert_file: absolutePath().nullable().default(null).register(KEY_FACTS, {
      about: 'PEM file with the certificate to show to the brokers, where they ask for one',
      reload: 'restart',
    }),
    key_file: absolutePath().nullable().default(null).register(KEY_FACTS, {
      about: 'PEM file with the key of that certificate',
      reload: 'restart',
    }),
  })
  .superRefine(({ cert_file, key_file }, context) => {
    if ((cert_file === null) === (key_file === null)) return;
    const missing = cert_file === null ? 'cert_file' : 'key_file';
    const message = 'a certificate and its key go together: name both files or none';
    context.addIssue({ code: 'custom', path: [missing], message });
  });

const sasl = z
  .strictObject({
    mechanism: oneOf(['none', 'plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'])
      .default('none')
      .register(KEY_FACTS, { about: 'how to log in to the brokers', reload: 'restart' }),
    username: word().nullable().default(null).register(KEY_FACTS, {
      about: 'user to log in as, with `plain` and the `scram` mechanisms',
      reload: 'restart',
    }),
    password_file: absolutePath().nullable().default(null).register(KEY_FACTS, {
      about: 'file with the password of the user, on one line',
      reload: 'restart',
    }),
    password: secret().nullable().default(null).register(KEY_FACTS, {
      about: 'the password itself; only from the environment, where it goes before `password_file`',
      reload: 'restart',
    }),
    token_file: absolutePath().nullable().default(null).register(KEY_FACTS, {
      about: 'file with the token for `oauthbearer`; read anew at every login, so that others can renew it',
      reload: 'restart',
    }),
  })
  .superRefine(({ mechanism, username, password_file, password, token_file }, context) => {
    const require = (key: string, isThere: boolean) => {
      const message = `is needed to log in by ${mechanism}`;
      if (!isThere) context.addIssue({ code: 'custom', path: [key], message });
    };
    if (mechanism === 'none') return;
    if (mechanism === 'oauthbearer') return require('token_file', token_file !== null);
    require('username', username !== null);
    require('password_file', password_file !== null || password !== null);
  });

const schemaRegistry = z
  .strictObject({
    url: httpUrl()
      .nullable()
      .default(null)
      .register(KEY_FACTS, {
        about:
          'address of a Confluent-compatible schema registry: records are written so that others who know it can read ' +
          'them; `null`: Avro single-object encoding, for this program alone. Records of both forms are read with a registry',
        reload: 'restart',
      }),
    subjects: oneOf(['topic', 'record', 'topic-record']).default('topic').register(KEY_FACTS, {
      about:
        'how the subjects of the schemas are named: by the `topic` (`<topic>-value`), by the `record`, or by both',
      reload: 'restart',
    }),
    ca_file: absolutePath().nullable().default(null).register(KEY_FACTS, {
      about:
        'PEM file with the authorities that the registry’s certificate is checked with; `null`: those of Node.js',
      reload: 'restart',
    }),
    username: word().nullable().default(null).register(KEY_FACTS, {
      about: 'user to log in to the registry as; `null`: no user, and so no password',
      reload: 'restart',
    }),
    password_file: absolutePath().nullable().default(null).register(KEY_FACTS, {
      about: 'file with the password of the user, on one line',
      reload: 'restart',
    }),
    password: secret().nullable().default(null).register(KEY_FACTS, {
      about: 'the password itself; only from the environment, where it goes before `password_file`',
      reload: 'restart',
    }),
    token_file: absolutePath().nullable().default(null).register(KEY_FACTS, {
      about:
        'file with a bearer token, in place of a user; read anew for every request, so that others can renew it',
      reload: 'restart',
    }),
    token: secret().nullable().default(null).register(KEY_FACTS, {
      about: 'the token itself; only from the environment, where it goes before `token_file`',
      reload: 'restart',
    }),
  })
  .superRefine(({ url, username, password_file, password, token_file, token }, context) => {
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    const hasPassword = password_file !== null || password !== null;
    const hasToken = token_file !== null || token !== null;
    if (url === null && (username !== null || hasPassword || hasToken))
      refuse('url', 'is needed: there is no registry to log in to');
    if (username !== null && !hasPassword) refuse('password_file', 'is needed to log in as a user');
    if (username === null && hasPassword) refuse('username', 'is needed beside a password');
    if (username !== null && hasToken) refuse('username', 'one logs in as a user or by a token, not by both');
  });

export const eventLog = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: kind('local', KINDS).default('local').register(KEY_FACTS, KIND_FACTS),
    bytes_max: bytesMax(),
    retain_h: retainH(),
  }),
  z.strictObject({
    kind: kind('kafka', KINDS).register(KEY_FACTS, KIND_FACTS),
    bytes_max: bytesMax(),
    retain_h: retainH(),
    brokers: hostsAndPorts().register(KEY_FACTS, {
      about: 'brokers to ask first; they name the others',
      reload: 'restart',
    }),
    topic_prefix: name().default('migration-audit').register(KEY_FACTS, {
      about: 'what the names of topics, consumer groups and transactional ids begin with, before a dot',
      reload: 'restart',
    }),
    compression: oneOf(['gzip', 'none']).default('gzip').register(KEY_FACTS, {
      about: 'how records are compressed on their way and in the topics',
      reload: 'restart',
    }),
    batch_bytes_max: wholeNumber(64 * KIB, 64 * MIB)
      .default(4 * MIB)
      .register(KEY_FACTS, {
        about: 'most bytes that are sent as one batch, not above `max.message.bytes` of the topics',
        reload: 'restart',
      }),
    session_timeout_s: wholeNumber(6, 300).default(30).register(KEY_FACTS, {
      about: 'a processor that was silent for so long has lost its partitions to the others, in seconds',
      reload: 'restart',
    }),
    partitions: wholeNumber(1, 10_000).default(12).register(KEY_FACTS, {
      about: 'partitions of each topic that `topics create` makes; as many processors can share the work',
      reload: 'restart',
    }),
    replication: wholeNumber(1, 9).default(3).register(KEY_FACTS, {
      about: 'brokers that keep a copy of each partition of the topics that `topics create` makes',
      reload: 'restart',
    }),
    ssl: ssl.prefault({}),
    sasl: sasl.prefault({}),
    schema_registry: schemaRegistry.prefault({}),
  }),
]);
