import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { KEYS } from '../../src/config/keys.js';
import { checkConfiguration } from '../../src/config/load.js';
import { temporaryDirectory } from '../replay/temporary-directory.js';
import { ROOT } from './source-tree.js';

interface Service {
  image: string;
  build?: { target: string };
  command?: string[];
  environment: Record<string, string>;
  ports?: string[];
  healthcheck?: { test?: string[]; disable?: boolean };
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const services = Object.entries(
  (parse(read('docker-compose.yml'), { merge: true }) as { services: Record<string, Service> }).services,
);
const roles = services.filter(([, { build }]) => build !== undefined);
/** `${NAME:?why}`: Compose refuses to start without it */
const ASKED_FOR = /^\$\{(\w+):\?[^}]+\}$/;

describe('docker-compose.yml', () => {
  it.each(roles)('configures %s as the code reads it', async (_, { environment }) => {
    const variables = new Set(KEYS.map(({ variable }) => variable));
    expect(Object.keys(environment).filter((name) => !variables.has(name))).toEqual([]);
    const filledIn = Object.entries(environment).map(([name, value]) => [
      name,
      ASKED_FOR.test(value) ? 'given' : value,
    ]);
    const file = join(temporaryDirectory({ empty: '' }), 'empty');
    const checked = await checkConfiguration({ file, environment: Object.fromEntries(filledIn) });
    expect(checked).toMatchObject({ usable: true });
  });

  it.each(services)(
    'pins the image of %s, tells its health, and opens it to this machine only',
    (_, service) => {
      expect(service.image).toMatch(service.build ? /^migration-audit:/ : /^[\w./-]+:\d+\.\d+/);
      expect(service.ports ?? []).toEqual(
        (service.ports ?? []).filter((port) => port.startsWith('127.0.0.1:')),
      );
      if (service.build === undefined) expect(service.healthcheck?.test?.length).toBeGreaterThan(1);
    },
  );

  it('runs the Kafka that the tests run, which is the one that the guide names', () => {
    const [, tested = ''] =
      /<version>(\d+\.\d+\.\d+)<\/version>/.exec(read('test/services/kafka-pom.xml')) ?? [];
    const [, composed] = services.find(([name]) => name === 'kafka') ?? [];
    expect(composed?.image).toBe(`apache/kafka:${tested}`);
    const [release] = /^\d+\.\d+/.exec(tested) ?? [];
    expect(read('docs/guides/fleet.md')).toContain(`tried with Kafka ${release} `);
  });

  it('holds no password', () => {
    for (const [name, { environment }] of services)
      for (const [variable, value] of Object.entries(environment))
        if (/PASSWORD|SECRET|TOKEN/.test(variable)) expect(value, `${name} ${variable}`).toMatch(ASKED_FOR);
  });

  it('asks for what deploy/compose.env.example names', () => {
    const asked = new Set([...read('docker-compose.yml').matchAll(/\$\{(\w+)/g)].map(([, name]) => name));
    const named = [...read('deploy/compose.env.example').matchAll(/^(\w+)=/gm)].map(([, name]) => name);
    expect([...asked].sort()).toEqual(named.sort());
  });

  const compose = ['docker-compose', '/usr/bin/docker-compose'].find(
    (program) => spawnSync(program, ['version']).status === 0,
  );
  it.skipIf(compose === undefined)('is taken by docker-compose, and not without passwords', () => {
    const config = (env: Record<string, string>) =>
      spawnSync(compose as string, ['--file', join(ROOT, 'docker-compose.yml'), 'config', '--quiet'], {
        env: { PATH: process.env['PATH'], ...env },
        encoding: 'utf8',
      });
    const given = {
      MIGRATION_AUDIT_CLUSTER: 'lab',
      MIGRATION_AUDIT_WRITER_PASSWORD: 'one',
      MIGRATION_AUDIT_READER_PASSWORD: 'two',
    };
    expect(config(given)).toMatchObject({ status: 0 });
    for (const name of Object.keys(given)) {
      const { [name as keyof typeof given]: _, ...others } = given;
      expect(config(others)).toMatchObject({ status: 1 });
    }
  });
});

describe('Dockerfile', () => {
  const text = read('Dockerfile');

  it('has the targets that are built', () => {
    const targets = [...text.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name]) => name);
    for (const [, { build }] of roles) expect(targets).toContain(build?.target);
  });

  it('copies what is there and what .dockerignore lets through', () => {
    const allowed = read('.dockerignore').match(/(?<=^!).+$/gm) ?? [];
    const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files = '']) =>
      files.split(' '),
    );
    expect([...new Set(copied)].sort()).toEqual([...allowed].sort());
    expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('runs nothing as root', () => {
    const [, ...last] = text.split(/^FROM /m);
    const base = last.find((stage) => stage.startsWith(`\${NODE_IMAGE} AS base`));
    expect(base).toMatch(/^USER node$/m);
    for (const stage of last.filter((each) => each.startsWith('base AS')))
      expect(stage).not.toMatch(/^USER/m);
  });
});
