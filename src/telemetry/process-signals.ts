import { constants } from 'node:os';

/** `process`, or a test's stand-in for it. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Aborted by the first SIGINT or SIGTERM, so that whatever runs can come to its end. A second one of either does not
 * wait for that.
 *
 * @param exit ends the process at once; is given 128 and the number of the signal, as a shell would tell it
 */
export function stopSignal(source: SignalSource, exit: (code: number) => void): AbortSignal {
  const stop = new AbortController();
  for (const signal of STOP_SIGNALS)
    source.on(signal, () => {
      if (stop.signal.aborted) exit(128 + constants.signals[signal]);
      else stop.abort();
    });
  return stop.signal;
}

/**
 * Calls `reload` on every SIGHUP, one at a time; those that come meanwhile make one more call after it, which sees
 * what all of them wanted seen.
 *
 * @param failed is told what `reload` threw: a process goes on with what it had
 * @returns ends it; a SIGHUP then ends the process, as without it
 */
export function onReload(
  source: SignalSource,
  reload: () => Promise<void>,
  failed: (error: unknown) => void,
): () => void {
  let isRunning = false;
  let isWanted = false;
  const run = async (): Promise<void> => {
    isWanted = true;
    if (isRunning) return;
    isRunning = true;
    while (isWanted) {
      isWanted = false;
      await reload().catch(failed);
    }
    isRunning = false;
  };
  const listener = () => void run();
  source.on('SIGHUP', listener);
  return () => source.off('SIGHUP', listener);
}
