import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PROGRAM = new URL('./clickhouse-server.mjs', import.meta.url).pathname;
const START_MS_MAX = 60_000;

export interface ClickHouseServer {
  url: string;
  port: number;
  /** Ends it without a farewell, as a crash would; its directory can be started again. */
  kill(): Promise<void>;
}

/** A file of a server's users.d, and the passwords that it takes from the environment. */
export interface ClickHouseUsers {
  file: string;
  passwords: Record<string, string>;
}

/**
 * A ClickHouse server of its own on loopback; the port is any free one, or the one that is given. The user `default`
 * may do everything, without a password.
 *
 * @param users those that there are besides
 * @param backups a directory that is the disk `backups`
 */
export async function startClickHouse(
  directory: string,
  port?: number,
  users?: ClickHouseUsers,
  backups?: string,
): Promise<ClickHouseServer> {
  const chosen = port ?? (await freePort());
  const configuration = users === undefined ? [] : [configurationFor(`${directory}.config`, users, backups)];
  const child = spawn(process.execPath, [PROGRAM, String(chosen), directory, ...configuration], {
    env: { ...process.env, ...users?.passwords },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (bytes: Buffer) => {
    complaint = (complaint + bytes.toString()).slice(-4000);
  });
  const url = `http://127.0.0.1:${chosen}`;
  await answering(url, child, () => complaint);
  return { url, port: chosen, kill: () => killed(child) };
}

/** What the files of a server say about users, without what is for others. */
function configurationFor(directory: string, { file }: ClickHouseUsers, backups?: string): string {
  mkdirSync(join(directory, 'users.d'), { recursive: true });
  const [main, users] = [join(directory, 'config.xml'), join(directory, 'users.xml')];
  const disk = backups === undefined ? '' : backupsOn(backups);
  writeFileSync(main, `<clickhouse><users_config>${users}</users_config>${disk}</clickhouse>`);
  writeFileSync(users, USERS);
  copyFileSync(file, join(directory, 'users.d', basename(file)));
  return main;
}

function backupsOn(directory: string): string {
  const disk = `<backups><type>local</type><path>${directory}/</path></backups>`;
  return `<storage_configuration><disks>${disk}</disks></storage_configuration>
    <backups><allowed_disk>backups</allowed_disk></backups>`;
}

const USERS = `<clickhouse>
  <profiles><default/><readonly><readonly>1</readonly></readonly></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </default>
  </users>
</clickhouse>`;

async function answering(url: string, child: ChildProcess, complaint: () => string): Promise<void> {
  const until_ms = performance.now() + START_MS_MAX;
  while (performance.now() < until_ms && child.exitCode === null) {
    const answer = await fetch(`${url}/ping`).catch(() => null);
    if (answer?.ok) return;
    await sleep(50);
  }
  await killed(child);
  throw new Error(`no ClickHouse at ${url}: ${complaint()}`);
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
