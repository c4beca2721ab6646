import { hostname } from 'node:os';
import { z } from 'zod';
import { eventLog } from './event-log-schema.js';
import {
  absolutePath,
  absolutePathOrStandardInput,
  absolutePaths,
  httpUrl,
  ipAddress,
  kind,
  libvirtUri,
  name,
  oneOf,
  secret,
  wholeNumber,
  word,
  yesOrNo,
} from './forms.js';
import { KEY_FACTS, type KeyFacts } from './key-facts.js';
import type { Secret } from './secret.js';

/**
 * The one configuration file. Everything about a key stands here: its form, its default and what the reference says
 * about it (docs/reference/configuration.md is compared with it). Units are the last part of a name.
 */

const audit = z.strictObject({
  path: absolutePathOrStandardInput().default('/var/log/audit/audit.log').register(KEY_FACTS, {
    about: 'audit log to follow through its rotations; `-` reads standard input, as an audisp plugin does',
    reload: 'restart',
  }),
  from: oneOf(['end', 'beginning', 'oldest'])
    .default('end')
    .register(KEY_FACTS, {
      about:
        'where to begin when nothing of the log was read before: its `end`, the `beginning` of the current file, or ' +
        'that of the `oldest` rotated one',
      reload: 'restart',
    }),
});

const libvirt = z.strictObject({
  virsh: absolutePath().default('/usr/bin/virsh').register(KEY_FACTS, {
    about: 'the virsh program',
    reload: 'restart',
  }),
  uri: libvirtUri().default('qemu:///system').register(KEY_FACTS, {
    about: 'connection that virsh opens',
    reload: 'restart',
  }),
  events: yesOrNo().default(true).register(KEY_FACTS, {
    about:
      'follow `virsh event` over a read-only connection; `false` on hosts without libvirt, as a file server',
    reload: 'restart',
  }),
  monitor_events: yesOrNo().default(false).register(KEY_FACTS, {
    about: 'follow `virsh qemu-monitor-event`, too; libvirt asks a read-write connection for it',
    reload: 'restart',
  }),
  guest_logs: absolutePath().nullable().default('/var/log/libvirt/qemu').register(KEY_FACTS, {
    about: 'directory of the guests’ QEMU logs; `null` reads none',
    reload: 'restart',
  }),
  daemon_log: absolutePath().nullable().default(null).register(KEY_FACTS, {
    about: 'log file of libvirtd or virtqemud, where its `log_outputs` names one; `null` reads none',
    reload: 'restart',
  }),
});

const facts = z.strictObject({
  every_s: wholeNumber(10, 86_400).default(300).register(KEY_FACTS, {
    about: 'time between two readings of mounts, labels, accounts and running guests, in seconds',
    reload: 'applied',
  }),
});

const heartbeat = z.strictObject({
  every_s: wholeNumber(1, 3600).default(10).register(KEY_FACTS, {
    about:
      'time between two heartbeats, in seconds; a verdict is final only when the heartbeats of all hosts passed it',
    reload: 'applied',
  }),
});

const kernelLosses = z.strictObject({
  auditctl: absolutePath().nullable().default('/usr/sbin/auditctl').register(KEY_FACTS, {
    about: 'the auditctl program, which tells how many records the kernel lost; `null` does not ask',
    reload: 'restart',
  }),
  every_s: wholeNumber(1, 3600).default(60).register(KEY_FACTS, {
    about: 'time between two questions, in seconds: a loss is known to lie between them',
    reload: 'applied',
  }),
});

const storage = z
  .strictObject({
    shared_paths: absolutePaths().default([]).register(KEY_FACTS, {
      about:
        'storage below these is shared between hosts, whatever its mount says; the longest path that fits counts',
      reload: 'restart',
    }),
    local_paths: absolutePaths().default([]).register(KEY_FACTS, {
      about: 'storage below these is of one host alone, whatever its mount says',
      reload: 'restart',
    }),
  })
  .superRefine(({ shared_paths, local_paths }, context) => {
    for (const [index, path] of local_paths.entries())
      if (shared_paths.includes(path))
        context.addIssue({
          code: 'custom',
          path: ['local_paths', index],
          message: 'the same path is in storage.shared_paths: it can be one of the two',
        });
  });

const correlate = z.strictObject({
  batch_events_max: wholeNumber(1, 100_000).default(1000).register(KEY_FACTS, {
    about: 'events that are judged and committed together',
    reload: 'applied',
  }),
  keep_settled_h: wholeNumber(1, 87_600).default(720).register(KEY_FACTS, {
    about:
      'hours for which events are kept in memory that no verdict waits for any more, by the clocks of their hosts',
    reload: 'applied',
  }),
  state_bytes_max: wholeNumber(2 ** 26, 2 ** 40)
    .default(2 ** 30)
    .register(KEY_FACTS, {
      about:
        'memory in bytes, estimated, that the events of one cluster may take before settled ones are let go earlier',
      reload: 'applied',
    }),
});

const STORE_KINDS = ['embedded', 'http'] as const;
const STORE_KIND_FACTS: KeyFacts = {
  about:
    '`embedded` is a ClickHouse inside this process, in the data directory; `http` is a ClickHouse server',
  reload: 'restart',
};

const store = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: kind('embedded', STORE_KINDS).default('embedded').register(KEY_FACTS, STORE_KIND_FACTS),
  }),
  z.strictObject({
    kind: kind('http', STORE_KINDS).register(KEY_FACTS, STORE_KIND_FACTS),
    url: httpUrl().register(KEY_FACTS, { about: 'address of the ClickHouse server', reload: 'restart' }),
    database: word().default('migration_audit').register(KEY_FACTS, {
      about: 'database to use; it has to be there',
      reload: 'restart',
    }),
    replicated_on: word().nullable().default(null).register(KEY_FACTS, {
      about:
        'ClickHouse cluster on whose servers the tables are made, replicated; `null` makes them on this server alone',
      reload: 'restart',
    }),
    user: word().default('default').register(KEY_FACTS, { about: 'user to log in as', reload: 'restart' }),
    password_file: absolutePath().nullable().default(null).register(KEY_FACTS, {
      about: 'file with the password of the user, on one line',
      reload: 'restart',
    }),
    password: secret().nullable().default(null).register(KEY_FACTS, {
      about: 'the password itself; only from the environment, where it goes before `password_file`',
      reload: 'restart',
    }),
  }),
]);

const listen = z.strictObject({
  address: ipAddress().default('127.0.0.1').register(KEY_FACTS, {
    about:
      'address for `/healthz`, `/readyz` and `/metrics`; they ask for no password, so think before leaving loopback',
    reload: 'restart',
  }),
  port: wholeNumber(0, 65_535).default(9470).register(KEY_FACTS, {
    about: 'TCP port; `0` takes any free one',
    reload: 'restart',
  }),
});

const log = z.strictObject({
  level: oneOf(['error', 'warn', 'info', 'debug']).default('info').register(KEY_FACTS, {
    about: 'least severe messages to log',
    reload: 'applied',
  }),
  format: oneOf(['json', 'text']).default('json').register(KEY_FACTS, {
    about: 'a JSON object a line, or text for reading',
    reload: 'restart',
  }),
});

export const SCHEMA = z.strictObject({
  cluster: name().register(KEY_FACTS, {
    about: 'name of the hosts that migrate guests to each other, the same on all of them',
    reload: 'restart',
  }),
  host: name()
    .prefault(() => hostname())
    .register(KEY_FACTS, {
      about: 'name of this host in events and findings; a host that changes it becomes another host',
      reload: 'restart',
      defaultText: 'the host’s own name',
    }),
  data_directory: absolutePath().default('/var/lib/migration-audit').register(KEY_FACTS, {
    about: 'directory for everything that is kept: event log, positions, embedded store',
    reload: 'restart',
  }),
  collect: z
    .strictObject({
      audit: audit.prefault({}),
      libvirt: libvirt.prefault({}),
      facts: facts.prefault({}),
      heartbeat: heartbeat.prefault({}),
      kernel_losses: kernelLosses.prefault({}),
    })
    .prefault({}),
  storage: storage.prefault({}),
  event_log: eventLog.prefault({}),
  correlate: correlate.prefault({}),
  store: store.prefault({}),
  listen: listen.prefault({}),
  log: log.prefault({}),
});

type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends Secret
    ? T
    : T extends object
      ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
      : T;

/** Everything that can be configured, checked and complete. Frozen. */
export type Configuration = DeepReadonly<z.output<typeof SCHEMA>>;
