import type { Command } from 'commander';
import type { Io, SetExit } from './io.js';
import { roleCommand } from './role-command.js';
import { correlateForFleet } from './roles.js';

export function correlateCommand(io: Io, setExit: SetExit): Command {
  return roleCommand(io, setExit, {
    name: 'correlate',
    summary: 'judge what a fleet collected',
    description:
      'Reads the events of a fleet from Kafka, judges every relabel, and publishes timelines and findings. Several of ' +
      'them share the work, a cluster each.',
    parts: ['event log', 'correlate'],
    main: correlateForFleet,
  });
}
