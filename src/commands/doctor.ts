import { Command, Option } from 'commander';
import type { Item } from '../collect/doctor/condition.js';
import { examine } from '../collect/doctor/examine.js';
import { gather } from '../collect/doctor/gather.js';
import { loadConfiguration } from '../config/load.js';
import { safeJson } from '../domain/safe-json.js';
import { configOption } from './event-log.js';
import { pageFor } from './format.js';
import { EXIT, type Io, type SetExit } from './io.js';
import { doctorPage } from './text/doctor-page.js';

interface Options {
  config?: string;
  format: 'text' | 'json';
}

export function doctorCommand(io: Io, setExit: SetExit): Command {
  return new Command('doctor')
    .summary('check whether this host has what collecting needs')
    .description(
      'Looks at this host as the collector would: audit, its rules and log, libvirt, SELinux, the data directory and ' +
        'the clock. Says of each what is wrong, which verdicts that costs and how to mend it. Changes nothing. Exits ' +
        'with 1 when something is missing that costs verdicts.',
    )
    .addOption(configOption())
    .addOption(new Option('-f, --format <format>', 'how to print').choices(['text', 'json']).default('text'))
    .action(async ({ config, format }: Options) => {
      const { configuration, warnings } = await loadConfiguration({ file: config, environment: io.env });
      const items = examine(await gather({ configuration, warnings, signal: io.signal }));
      io.signal.throwIfAborted();
      io.out.write(
        format === 'json' ? asJson(configuration.host, items) : doctorPage(pageFor(io, {}), items),
      );
      setExit(isReady(items) ? EXIT.nothingFound : EXIT.findings);
    });
}

function isReady(items: readonly Item[]): boolean {
  return items.every(({ state }) => state !== 'missing');
}

function asJson(host: string, items: readonly Item[]): string {
  return `${safeJson({ host, ready: isReady(items), items })}\n`;
}
