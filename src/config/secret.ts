import { timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';

const SHOWN = '[secret]';

/** A value that never shows itself: not as text, not as JSON, not to a debugger's print. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself, for whoever has to send it. */
  reveal(): string {
    return this.#value;
  }

  equals(other: Secret): boolean {
    const [own, others] = [Buffer.from(this.#value), Buffer.from(other.#value)];
    return own.length === others.length && timingSafeEqual(own, others);
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}
