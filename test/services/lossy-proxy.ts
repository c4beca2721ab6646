import { connect, createServer, type Server, type Socket } from 'node:net';
import { KafkaBroker } from './kafka-broker.js';

/**
 * Stands between clients and a broker, and loses replies that it is told to: the request was carried out, and the
 * client sees its connection close instead of an answer. Or it loses requests, and the client waits.
 *
 * Requests begin with size i32, kind i16, version i16, correlation i32; replies with size i32, correlation i32.
 */
export class LossyProxy {
  readonly port: number;
  /** of the broker, once it is known */
  target = 0;
  lost = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #losing: { kind: number; left: number } | null = null;
  #swallowing: number | null = null;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
  }

  static start(): Promise<LossyProxy> {
    return new Promise((resolve) => {
      const server = createServer((client) => proxy.#relay(client));
      let proxy: LossyProxy;
      server.listen(0, '127.0.0.1', () => {
        proxy = new LossyProxy(server);
        resolve(proxy);
      });
    });
  }

  /** The next replies to requests of a kind are lost. */
  lose(kind: number, count: number): void {
    this.#losing = { kind, left: count };
  }

  /** From now on requests of a kind are lost; null: none. */
  swallow(kind: number | null): void {
    this.#swallowing = kind;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(client: Socket): void {
    const broker = connect(this.target, '127.0.0.1');
    const kinds = new Map<number, number>();
    const end = () => {
      client.destroy();
      broker.destroy();
    };
    for (const socket of [client, broker]) {
      this.#sockets.add(socket);
      socket.on('error', end).on('close', () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on(
      'data',
      frames((frame) => {
        const kind = frame.readInt16BE(4);
        kinds.set(frame.readInt32BE(8), kind);
        if (kind === this.#swallowing) this.lost++;
        else broker.write(frame);
      }),
    );
    broker.on(
      'data',
      frames((frame) => {
        const correlation = frame.readInt32BE(4);
        const kind = kinds.get(correlation);
        kinds.delete(correlation);
        if (this.#losing !== null && this.#losing.left > 0 && this.#losing.kind === kind) {
          this.#losing.left--;
          this.lost++;
          end();
        } else client.write(frame);
      }),
    );
  }
}

/** Whole messages, their size included. */
function frames(take: (frame: Buffer) => void): (bytes: Buffer) => void {
  let kept = Buffer.alloc(0);
  return (bytes) => {
    kept = Buffer.concat([kept, bytes]);
    while (kept.length >= 4 && kept.length >= 4 + kept.readInt32BE(0)) {
      const end = 4 + kept.readInt32BE(0);
      take(kept.subarray(0, end));
      kept = kept.subarray(end);
    }
  };
}

/**
 * A broker with a second listener, SECURE, that it advertises at the proxy's port.
 *
 * @param own the listener over which it talks to itself
 */
export function brokerBehind(proxy: LossyProxy, own: 'PLAINTEXT' | 'SECURE'): Promise<KafkaBroker> {
  return KafkaBroker.start({
    properties: ({ plain, secure }) => {
      proxy.target = secure;
      return {
        'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:PLAINTEXT',
        'inter.broker.listener.name': own,
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${plain},SECURE://127.0.0.1:${proxy.port}`,
      };
    },
  });
}
