import type { Command } from 'commander';
import type { Io, SetExit } from './io.js';
import { roleCommand } from './role-command.js';
import { runOnOneMachine } from './roles.js';

export function runCommand(io: Io, setExit: SetExit): Command {
  return roleCommand(io, setExit, {
    name: 'run',
    summary: 'collect, judge and store on this host, in one process',
    description:
      'Follows the audit log, libvirt’s events and the facts of this host, judges every relabel as it is logged, and ' +
      'keeps events, timelines and findings in the store. Needs no server.',
    parts: ['collect', 'event log', 'correlate', 'store'],
    main: runOnOneMachine,
  });
}
