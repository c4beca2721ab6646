import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Health } from '../../src/telemetry/health.js';
import { createMetrics } from '../../src/telemetry/metrics.js';
import { startTelemetryServer, type TelemetryOptions } from '../../src/telemetry/server.js';

async function started(change: Partial<TelemetryOptions> = {}) {
  const health = new Health(() => 1_764_000_000_000);
  const errors: unknown[] = [];
  const server = await startTelemetryServer({
    address: '127.0.0.1',
    port: 0,
    health,
    metrics: createMetrics({ version: '1.2.3', parts: [] }),
    onError: (error) => errors.push(error),
    ...change,
  });
  onTestFinished(() => server.close());
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init);
  return { server, health, errors, get };
}

/** What comes back for these bytes until the connection ends. */
function sent(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer)).on('error', reject);
  });
}

describe('/healthz', () => {
  it('is 200 while the process can go on, 503 with the reason once it cannot', async () => {
    const { get, health } = await started();
    expect((await get('/healthz')).status).toBe(200);
    health.die('the engine is gone\x1b[2J');
    const answer = await get('/healthz');
    expect(answer.status).toBe(503);
    expect(await answer.text()).toBe('the engine is gone\\x1b[2J\n');
  });
});

describe('/readyz', () => {
  it('is 503 with what is missing, then 200', async () => {
    const { get, health } = await started();
    const store = health.condition('store', 'is opening \u202e');
    const before = await get('/readyz');
    const text = await before.text();
    expect(before.status).toBe(503);
    expect(text).toMatch(/^[ -~]+\n$/);
    expect(JSON.parse(text)).toEqual({
      ready: false,
      conditions: [
        { name: 'store', ready: false, reason: 'is opening \u202e', since: '2025-11-24T16:00:00.000Z' },
      ],
    });
    store.ready();
    const after = await get('/readyz');
    expect(after.status).toBe(200);
    expect(await after.json()).toMatchObject({ ready: true, conditions: [{ reason: null }] });
  });
});

describe('/metrics', () => {
  it('is the text format of Prometheus', async () => {
    const { get } = await started();
    const answer = await get('/metrics?name[]=x');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await answer.text()).toMatch(/^migration_audit_build_info\{version="1\.2\.3",.*\} 1$/m);
  });

  it('that cannot be made is 500, and the reason goes to the log only', async () => {
    const { get, errors } = await started({
      metrics: { contentType: 'text/plain', text: () => Promise.reject(new Error('the reason')) },
    });
    const answer = await get('/metrics');
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('the reason');
    expect(errors).toEqual([new Error('the reason')]);
  });
});

describe('the server', () => {
  it('answers HEAD as GET without a body, and refuses everything else', async () => {
    const { get } = await started();
    const head = await get('/healthz', { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '6', '']);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await get('/metrics', { method });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
      await answer.text();
    }
  });

  it.each([
    '/',
    '/healthz/',
    '/%00',
    '/../metrics',
    '//metrics',
    '/<script>',
    '*',
    'http://x/metrics',
    '/Metrics',
  ])('knows no other page, and says nothing of what was asked: %s', async (path) => {
    const { server } = await started();
    const text = await sent(server.port, `GET ${path} HTTP/1.1\r\nHost: <h>\r\nConnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 404 /);
    expect(text).toMatch(/\r\n\r\nthere are \/healthz, \/readyz and \/metrics\n$/);
  });

  it('refuses what is no HTTP, and headers without end', async () => {
    const { server } = await started();
    expect(await sent(server.port, '\x16\x03\x01 hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    const headers = `X: ${'y'.repeat(20_000)}\r\n`;
    expect(await sent(server.port, `GET /healthz HTTP/1.1\r\nHost: x\r\n${headers}\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
  });

  it('does not wait for a body', async () => {
    const { server } = await started();
    const head = 'GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n';
    expect(await sent(server.port, head)).toMatch(/^HTTP\/1\.1 200 [\s\S]*alive\n$/);
  });

  it('takes 64 connections and no more', async () => {
    const { server } = await started();
    const ends: Promise<'open' | 'closed'>[] = [];
    const sockets: Socket[] = [];
    for (let i = 0; i < 70; i++) {
      const socket = connect(server.port, '127.0.0.1');
      sockets.push(socket);
      ends.push(
        new Promise((resolve) => {
          socket.on('error', () => resolve('closed')).on('close', () => resolve('closed'));
          socket.once('data', () => resolve('open'));
        }),
      );
      socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    }
    const states = await Promise.all(ends);
    for (const socket of sockets) socket.destroy();
    expect(states.filter((state) => state === 'open')).toHaveLength(64);
  });

  it('closes although connections are open', async () => {
    const { server } = await started();
    const idle = connect(server.port, '127.0.0.1');
    const ended = new Promise((resolve) => idle.on('close', resolve));
    await once(idle, 'connect');
    await new Promise<void>((resolve) => {
      const asked = request({ port: server.port, path: '/healthz', agent: false }, (answer) => {
        answer.resume().on('end', resolve);
      });
      asked.end();
    });
    await server.close();
    await ended;
    await expect(fetch(`http://127.0.0.1:${server.port}/healthz`)).rejects.toThrow();
  });

  it('says which address it cannot listen on', async () => {
    const { server } = await started();
    await expect(started({ port: server.port })).rejects.toMatchObject({
      code: 'MA_LISTEN',
      where: `127.0.0.1 port ${server.port}`,
      message: expect.stringContaining('EADDRINUSE'),
    });
    await expect(started({ address: '192.0.2.1' })).rejects.toMatchObject({ code: 'MA_LISTEN' });
  });
});
