/** What a process says about itself at /healthz and /readyz. */

export interface Condition {
  readonly name: string;
  readonly isReady: boolean;
  /** why it is not; null while it is */
  readonly reason: string | null;
  /** ms since the epoch */
  readonly since_ms: number;
}

/** The handle of whoever knows whether a condition holds. */
export interface ConditionSetter {
  ready(): void;
  notReady(reason: string): void;
}

/**
 * Alive until a role says that only a restart can help. Ready while every named condition holds; a condition begins as
 * not ready, so that a process is not ready before each of its parts has said so.
 */
export class Health {
  readonly #now: () => number;
  readonly #changed: (condition: Condition) => void;
  readonly #conditions = new Map<string, Condition>();
  #death: string | null = null;

  /**
   * @param now ms since the epoch
   * @param changed is told each condition that begins or stops to hold, as for a metric or a log
   */
  constructor(now: () => number, changed: (condition: Condition) => void = () => {}) {
    this.#now = now;
    this.#changed = changed;
  }

  /** @param name stable and unique: it is a label of a metric */
  condition(name: string, reason = 'is starting'): ConditionSetter {
    if (this.#conditions.has(name)) throw new Error(`there is a condition ${name} already`);
    this.#set({ name, isReady: false, reason });
    return {
      ready: () => this.#set({ name, isReady: true, reason: null }),
      notReady: (why) => this.#set({ name, isReady: false, reason: why }),
    };
  }

  /** In the order in which they were named. */
  get conditions(): readonly Condition[] {
    return [...this.#conditions.values()];
  }

  get isReady(): boolean {
    return this.#death === null && this.conditions.every(({ isReady }) => isReady);
  }

  /** Why only a restart can help; null while the process is alive. */
  get death(): string | null {
    return this.#death;
  }

  /** There is no way back; the first reason is kept. */
  die(reason: string): void {
    this.#death ??= reason;
  }

  /** `since` stays while the answer does, whatever its reason. */
  #set(said: Omit<Condition, 'since_ms'>): void {
    const known = this.#conditions.get(said.name);
    const isSame = known?.isReady === said.isReady;
    const condition = { ...said, since_ms: isSame ? known.since_ms : this.#now() };
    this.#conditions.set(said.name, condition);
    if (!isSame) this.#changed(condition);
  }
}
