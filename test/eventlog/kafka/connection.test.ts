import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { openSocket } from '../../../src/eventlog/kafka/internals.js';

const require = createRequire(import.meta.url);
const Connection = require('kafkajs/src/network/connection');
const Encoder = require('kafkajs/src/protocol/encoder');

const ANSWER = 'the answer';
const REQUEST = {
  request: { apiKey: 3, apiVersion: 0, apiName: 'any', encode: async () => new Encoder() },
  response: { decode: async (bytes: Buffer) => bytes.toString(), parse: async (text: string) => text },
};

/** Answers of Kafka: size i32, correlation i32, and what is answered. */
function answerTo(request: Buffer): Buffer {
  const answer = Buffer.alloc(8 + ANSWER.length);
  answer.writeInt32BE(4 + ANSWER.length, 0);
  answer.writeInt32BE(request.readInt32BE(8), 4);
  answer.write(ANSWER, 8);
  return answer;
}

it('an answer that was cut by the end of its connection is not the beginning of the next one', async () => {
  let answers = 0;
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.on('data', (request) => {
      const whole = answerTo(request);
      if (answers++ > 0) return socket.write(whole);
      return socket.write(whole.subarray(0, 10), () => socket.end());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const quiet = { debug() {}, error() {}, info() {}, warn() {} };
  const connection = new Connection({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    logger: { namespace: () => quiet },
    socketFactory: openSocket,
    connectionTimeout: 5_000,
    requestTimeout: 5_000,
  });
  onTestFinished(() => connection.disconnect());
  await connection.connect();
  await expect(connection.send(REQUEST)).rejects.toThrow('Closed connection');
  await connection.connect();
  expect(await connection.send(REQUEST)).toBe(ANSWER);
});
