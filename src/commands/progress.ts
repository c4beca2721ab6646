import { stat } from 'node:fs/promises';
import { SingleBar } from 'cli-progress';
import type { Sources } from '../replay/sources.js';
import type { Io } from './io.js';

export interface Progress {
  add(bytes: number): void;
  stop(): void;
}

/** Smaller inputs are read before a bar can be drawn. */
const WORTH_A_BAR_BYTES = 32 << 20;

/** A bar on stderr while big files are read; none when nobody watches. */
export async function progressOver(sources: Sources, io: Io): Promise<Progress> {
  const total_bytes = io.err.isTerminal ? await bytesOf(sources) : 0;
  if (total_bytes < WORTH_A_BAR_BYTES) return { add: () => {}, stop: () => {} };
  const bar = new SingleBar({
    format: 'reading {bar} {percentage} %  {value} of {total} MiB  {eta_formatted} left',
    clearOnComplete: true,
    hideCursor: false,
  });
  let read_bytes = 0;
  bar.start(total_bytes >> 20, 0);
  return {
    add: (bytes) => {
      read_bytes += bytes;
      bar.update(read_bytes >> 20);
    },
    stop: () => bar.stop(),
  };
}

async function bytesOf({ hosts }: Sources): Promise<number> {
  const paths = hosts.flatMap((host) => [
    ...host.streams.flatMap((stream) => stream.files),
    ...host.snapshots.map((snapshot) => snapshot.path),
  ]);
  const sizes = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        (info) => info.size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
