import { type FSWatcher, watch } from 'node:fs';
import { pause } from '../../waiting/pause.js';

/**
 * Tells that something happened in a directory, once, and has then to be armed again: nobody is woken for every line
 * that is written.
 *
 * It is no more than a reason to look early. Changes that another host makes on a network file system are not told.
 */
export class DirectoryWatch {
  readonly #directory: string;
  #watcher: FSWatcher | null = null;
  #changed = new AbortController();

  constructor(directory: string) {
    this.#directory = directory;
  }

  get isArmed(): boolean {
    return this.#watcher !== null;
  }

  /** What changed before is not told: look once more. False where the system lets nothing be watched. */
  arm(): boolean {
    this.#changed = new AbortController();
    try {
      this.#watcher = watch(this.#directory, () => this.#changed.abort());
      this.#watcher.on('error', () => this.#changed.abort());
    } catch {
      return false;
    }
    return true;
  }

  /** Returns whether there was a change since it was armed, within that time; it is not armed any more then. */
  async wait(wait_ms: number, signal: AbortSignal): Promise<boolean> {
    await pause(wait_ms, AbortSignal.any([signal, this.#changed.signal]));
    if (!this.#changed.signal.aborted) return false;
    this.disarm();
    return true;
  }

  disarm(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }
}
