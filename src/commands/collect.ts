import type { Command } from 'commander';
import { collectForFleet } from './collect-role.js';
import type { Io, SetExit } from './io.js';
import { roleCommand } from './role-command.js';

export function collectCommand(io: Io, setExit: SetExit): Command {
  return roleCommand(io, setExit, {
    name: 'collect',
    summary: 'collect on this host for a fleet',
    description:
      'Follows the audit log, libvirt’s events and the facts of this host and keeps them in the event log on its disk, ' +
      'from where they go to Kafka when that is configured.',
    parts: ['collect', 'event log', 'forward'],
    main: collectForFleet,
  });
}
