import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Clock } from '../../src/collect/process/clock.js';
import type { Source, SourceOutput } from '../../src/collect/source.js';
import type { Event, EventKind, EventOf } from '../../src/events/event.js';

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'migration-audit-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A program made of a shell script; `$dir` is its directory. */
export function program(directory: string, name: string, script: string): string {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\ndir='${directory}'\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/**
 * Stands in for virsh: prints what a real one printed. A run that follows events is a script of its own, `run-1`, `run-2` …;
 * questions are answered from files: `list`, `state-UUID`, `xml-UUID`, `version`, `capabilities`.
 */
export class StandInVirsh {
  readonly path: string;
  private readonly directory: string;

  constructor() {
    this.directory = temporaryDirectory();
    this.path = program(this.directory, 'virsh', SCRIPT);
  }

  /** @param script runs after the line that says where it is connected */
  run(number: number, script: string): this {
    return this.bareRun(number, `echo qemu:///system; echo; ${script}`);
  }

  bareRun(number: number, script: string): this {
    writeFileSync(join(this.directory, `run-${number}`), `${script}\n`);
    return this;
  }

  answer(name: string, content: string | Buffer): this {
    writeFileSync(join(this.directory, name), content);
    return this;
  }

  /** A file of the stand-in's directory, for its scripts. */
  file(name: string, content: string | Buffer): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  /** What a script left behind. */
  left(name: string): string {
    const path = join(this.directory, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  questions(): string[] {
    return this.left('questions').split('\n').slice(0, -1);
  }
}

/** Ends like a virsh whose daemon went away. */
export const DISCONNECTED =
  "echo 'events received: 3'; echo; echo 'error: Disconnected from qemu:///system due to end of file' >&2; exit 1";

export const STAYS = 'exec sleep 60';

const SCRIPT = `
for text; do :; done
case "$text" in
uri*)
  n=$(cat "$dir/runs" 2>/dev/null || echo 0); n=$((n + 1)); echo $n > "$dir/runs"
  echo $$ > "$dir/pid"
  if [ -e "$dir/run-$n" ]; then . "$dir/run-$n"; else echo "error: failed to connect" >&2; exit 1; fi
  ;;
*)
  echo "$text" >> "$dir/questions"
  IFS=';'
  for command in $text; do
    command=\${command# }
    unset IFS
    case "$command" in
    echo*) echo "\${command#echo }" ;;
    list*) cat "$dir/list" && echo ;;
    domstate*) cat "$dir/state-\${command##* }" 2>/dev/null && echo || echo 'error: failed to get domain' >&2 ;;
    dumpxml*) cat "$dir/xml-\${command##* }" 2>/dev/null && echo || echo 'error: failed to get domain' >&2 ;;
    version*) cat "$dir/version" && echo ;;
    capabilities) cat "$dir/capabilities" && echo ;;
    esac
    IFS=';'
  done
  ;;
esac`;

/** The host's time, without waiting for it: waits are over at once, and kept. */
export class HastyClock implements Clock {
  readonly waits_ms: number[] = [];
  ahead_us = 0;

  now_us(): number {
    return Date.now() * 1000 + this.ahead_us;
  }

  async sleep(wait_ms: number, signal: AbortSignal): Promise<void> {
    this.waits_ms.push(wait_ms);
    if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A collector that keeps what a source gives to it. */
export class Received implements SourceOutput {
  readonly events: Event[] = [];
  checkpoint: Buffer | null = null;
  readonly downs: string[] = [];
  ups = 0;
  restarts = 0;
  lines = 0;
  readonly reasons: string[] = [];
  /** while it is set, there is no room */
  full: Promise<void> | null = null;

  async emit(events: readonly Event[], checkpoint: Buffer | null): Promise<void> {
    if (this.full !== null) await this.full;
    this.events.push(...events);
    this.checkpoint = checkpoint ?? this.checkpoint;
  }
  up(): void {
    this.ups++;
  }
  down(reason: string): void {
    this.downs.push(reason);
  }
  read(lines: number): void {
    this.lines += lines;
  }
  foreign(): void {}
  rejected(reason: string): void {
    this.reasons.push(reason);
  }
  restarted(): void {
    this.restarts++;
  }

  of<K extends EventKind>(kind: K): EventOf<K>[] {
    return this.events.filter((event) => event.kind === kind) as Event[] as EventOf<K>[];
  }
}

export interface Running {
  received: Received;
  /** aborts, and waits until the source has returned */
  stop(): Promise<void>;
}

export function start(source: Source, checkpoint: Buffer | null = null, received = new Received()): Running {
  const abort = new AbortController();
  const ended = source.run(received, checkpoint, abort.signal);
  const stop = () => {
    abort.abort();
    return ended;
  };
  onTestFinished(stop);
  return { received, stop };
}
