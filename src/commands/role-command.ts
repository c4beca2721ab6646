import { Command } from 'commander';
import { type ConfigurationOption, configOption } from './event-log.js';
import { EXIT, type Io, type SetExit } from './io.js';
import { type Role, runRole } from './role.js';

export interface RoleCommand extends Role {
  summary: string;
  description: string;
}

/** A command that runs a role until it is told to end. */
export function roleCommand(io: Io, setExit: SetExit, role: RoleCommand): Command {
  return new Command(role.name)
    .summary(role.summary)
    .description(
      `${role.description} Ends on SIGTERM or SIGINT; reads its configuration again on SIGHUP. Answers on /healthz, ` +
        '/readyz and /metrics.',
    )
    .addOption(configOption())
    .action(async ({ config }: ConfigurationOption) => {
      await runRole(io, config, role);
      setExit(EXIT.nothingFound);
    });
}
