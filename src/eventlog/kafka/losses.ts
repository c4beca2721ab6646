import type { ISocketFactory } from 'kafkajs';
import { openSocket } from './internals.js';

/** Notes when a client loses a connection: kafkajs connects again, and says nothing of it. */
export class Losses {
  #last_ms = Number.NEGATIVE_INFINITY;

  /** Monotonic, in ms. */
  get last_ms(): number {
    return this.#last_ms;
  }

  readonly openSocket: ISocketFactory = (options) => {
    const socket = openSocket(options);
    socket.once('close', () => {
      this.#last_ms = performance.now();
    });
    return socket;
  };
}
