import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomPlan } from '../../src/sim/random-plan.js';
import { simulate } from '../../src/sim/simulate.js';
import { openStore, type Store } from '../../src/store/store.js';
import { type ClickHouseServer, startClickHouse } from '../services/clickhouse-server.js';
import { append, openLog, storeAll, telemetry } from './running.js';

/** The store role over HTTP, on a real server that goes away, or whose answers get lost. */

let work = '';
let server: ClickHouseServer;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'migration-audit-store-away-'));
  server = await startClickHouse(join(work, 'server'));
});
afterAll(async () => {
  await server.kill();
  await rm(work, { recursive: true, force: true });
});

const { events } = simulate(randomPlan(7, { complete: true }));
const ids = [...new Set(events.map(({ id }) => id))];

const CLIENT = { request_timeout: 10_000, log: { level: ClickHouseLogLevel.OFF } };

async function databaseOf(url: string, database: string): Promise<() => Promise<Store>> {
  const admin = createClient({ url: server.url });
  await admin.command({ query: `CREATE DATABASE IF NOT EXISTS ${database}` });
  await admin.close();
  return () => openStore({ client: createClient({ url, database, ...CLIENT }) });
}

/** Of so many answers one is lost. */
const LOST_OF = 9;

async function filled(name: string, store: Store, around = telemetry()): Promise<void> {
  const log = openLog(join(work, name));
  await append(log, events);
  await storeAll(log, async () => store, { batch_records_max: 100 }, around);
  await log.close();
}

async function held(store: Store) {
  const found = {
    report: await store.report(events[0]?.cluster ?? ''),
    findings: await store.findings(),
    counts: await store.counts(),
    events: (await store.events(ids)).length,
  };
  await store.close();
  return found;
}

describe('the store role over HTTP', () => {
  it('keeps all, once, although answers are lost after the server acted', async () => {
    const proxy = await losingProxy(server.port, LOST_OF);
    const open = await databaseOf(`http://127.0.0.1:${proxy.port}`, 'lossy');
    const around = telemetry();
    const store = await open();
    proxy.isLosing = true;
    await filled('lossy', store, around);
    proxy.isLosing = false;
    expect(proxy.lost).toBeGreaterThan(2);
    expect(await around.metrics.text()).toMatch(/migration_audit_store_errors_total [1-9]/);
    const found = await held(store);
    await (await databaseOf(server.url, 'undisturbed'))().then(async (undisturbed) => {
      await filled('undisturbed', undisturbed);
      expect(found).toEqual(await held(undisturbed));
    });
    proxy.server.close();
  });

  it('waits for a server that is away, says why, and goes on when it is back', async () => {
    const directory = join(work, 'away');
    const first = await startClickHouse(directory);
    const url = first.url;
    await first.kill();
    const around = telemetry();
    const log = openLog(join(work, 'away-log'));
    await append(log, events);
    const stores: Store[] = [];
    const storing = storeAll(
      log,
      async () => {
        const store = await openStore({ client: createClient({ url, ...CLIENT }) });
        stores.push(store);
        return store;
      },
      {},
      around,
    );
    const isWaiting = () =>
      around.health.conditions.some(({ reason }) => reason?.includes('the store refused') ?? false);
    while (!isWaiting()) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(around.health.isReady).toBe(false);
    const second = await startClickHouse(directory, first.port);
    await storing;
    await log.close();
    expect(around.health.isReady).toBe(true);
    expect((await (stores[0] as Store).events(ids)).length).toBe(ids.length);
    await stores[0]?.close();
    await second.kill();
  });
});

interface LosingProxy {
  server: Server;
  port: number;
  lost: number;
  isLosing: boolean;
}

/** Hands every request on; of every n-th the answer is dropped, and the connection with it. */
async function losingProxy(to: number, every: number): Promise<LosingProxy> {
  let requests = 0;
  const proxy: LosingProxy = {
    server: createServer({ maxHeaderSize: 1 << 20 }),
    port: 0,
    lost: 0,
    isLosing: false,
  };
  proxy.server.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
    const { method, url, headers } = incoming;
    const outgoing = request({ host: '127.0.0.1', port: to, method, path: url, headers });
    outgoing.on('response', (answer) => {
      const isLost = proxy.isLosing && ++requests % every === 0;
      if (!isLost) {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
        return;
      }
      proxy.lost++;
      answer.resume().on('end', () => response.destroy());
    });
    incoming.pipe(outgoing);
  });
  proxy.server.listen(0, '127.0.0.1');
  await once(proxy.server, 'listening');
  proxy.port = (proxy.server.address() as AddressInfo).port;
  return proxy;
}
