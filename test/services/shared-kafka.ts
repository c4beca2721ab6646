import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { KafkaBroker } from './kafka-broker.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** a socket that says the address of the run's broker to whoever connects, and starts it for the first one */
    kafkaSocket: string;
  }
}

/** One broker for all tests of a run, which starts when the first of them asks for it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'migration-audit-services-'));
  const socket = join(directory, 'kafka');
  let starting: Promise<KafkaBroker> | null = null;
  const server = createServer((client) => {
    client.on('error', () => {});
    starting ??= KafkaBroker.start();
    starting.then(
      ({ address }) => client.end(JSON.stringify({ address })),
      (error: Error) => client.end(JSON.stringify({ error: error.message })),
    );
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  project.provide('kafkaSocket', socket);
  return async () => {
    await close(server);
    await starting?.then((broker) => broker.destroy()).catch(() => {});
    await rm(directory, { recursive: true, force: true });
  };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
