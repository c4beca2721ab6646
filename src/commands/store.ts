import type { Command } from 'commander';
import type { Io, SetExit } from './io.js';
import { roleCommand } from './role-command.js';
import { storeForFleet } from './roles.js';

export function storeCommand(io: Io, setExit: SetExit): Command {
  return roleCommand(io, setExit, {
    name: 'store',
    summary: 'keep what a fleet collected and what was judged',
    description:
      'Reads events, timelines and findings from Kafka and writes them into the store. Several of them share the work.',
    parts: ['event log', 'store'],
    main: storeForFleet,
  });
}
