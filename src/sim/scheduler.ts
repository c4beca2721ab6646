/**
 * Several activities in one time. An activity is a generator that yields how long it waits (µs of true time);
 * between two yields it runs alone, so the world needs no locks and one seed gives one history.
 */
export type Activity<T = void> = Generator<number, T, void>;

interface Sleeper {
  wakes_us: number;
  /** order of arrival: equal times wake in the order they went to sleep */
  order: number;
  activity: Activity;
}

export class Scheduler {
  now_us = 0;
  readonly #sleepers: Sleeper[] = [];
  #order = 0;

  /** Lets an activity begin `after_us` from now. */
  start(activity: Activity, after_us = 0): void {
    this.#sleepers.push({ wakes_us: this.now_us + after_us, order: this.#order++, activity });
  }

  /** Runs until every activity has ended. */
  run(): void {
    for (;;) {
      const sleeper = this.#takeNext();
      if (sleeper === undefined) return;
      this.now_us = Math.max(this.now_us, sleeper.wakes_us);
      const step = sleeper.activity.next();
      if (!step.done) this.start(sleeper.activity, step.value);
    }
  }

  #takeNext(): Sleeper | undefined {
    let next = 0;
    for (let i = 1; i < this.#sleepers.length; i++) {
      const candidate = this.#sleepers[i] as Sleeper;
      const best = this.#sleepers[next] as Sleeper;
      if (candidate.wakes_us < best.wakes_us) next = i;
      else if (candidate.wakes_us === best.wakes_us && candidate.order < best.order) next = i;
    }
    return this.#sleepers.splice(next, 1)[0];
  }
}

export const ms = (milliseconds: number): number => milliseconds * 1000;
export const seconds = (count: number): number => count * 1_000_000;
