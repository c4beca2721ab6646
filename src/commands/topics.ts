import { Command } from 'commander';
import { safeJson } from '../domain/safe-json.js';
import { kafkaSettings, schemaPlan, topicPlan } from '../eventlog/kafka/configured.js';
import { checkSchemas, registerSchemas } from '../eventlog/kafka/registry/registration.js';
import { checkTopics, createTopics, type TopicProblem } from '../eventlog/kafka/topics.js';
import { type ConfigurationOption, configOption, configurationFor, onKafka, silent } from './event-log.js';
import { type Format, formatOption } from './format.js';
import { EXIT, type Io, type SetExit } from './io.js';
import { padEnd, width } from './text/columns.js';

interface Options extends ConfigurationOption {
  format: Format;
}

export function topicsCommand(io: Io, setExit: SetExit): Command {
  const command = new Command('topics')
    .summary('make the Kafka topics of a fleet, or say what is wrong with them')
    .description('Makes the Kafka topics that the configuration names, or says what is wrong with them.');
  command
    .command('check')
    .summary('say what is wrong with the topics')
    .description(
      'Compares the topics with what they have to be, and the schemas in the schema registry, where one is ' +
        'configured. An error makes wrong results or stops processing; a warning is a risk that may be meant. Exits ' +
        'with 3 when there are errors.',
    )
    .addOption(configOption())
    .addOption(formatOption())
    .action(async (options: Options) => {
      const problems = await checked(io, options);
      printProblems(io, options.format, problems);
      setExit(problems.some(({ severity }) => severity === 'error') ? EXIT.failed : EXIT.nothingFound);
    });
  command
    .command('create')
    .summary('make the topics that are missing')
    .description(
      'Makes the topics that are missing, with event_log.partitions, event_log.replication and event_log.retain_h. ' +
        'Those that are there are left as they are, and checked. Registers the schemas that are missing in the ' +
        'schema registry, where one is configured.',
    )
    .addOption(configOption())
    .addOption(formatOption())
    .action(async (options: Options) => {
      const configuration = await configurationFor(io, options);
      const kafka = onKafka(configuration);
      const settings = await kafkaSettings(kafka, configuration.host);
      const created = await createTopics(settings, topicPlan(kafka), silent);
      const plan = await schemaPlan(kafka);
      const registered = plan === null ? [] : await registerSchemas(settings, plan);
      const problems = await checked(io, options);
      printCreated(io, options.format, { created, registered }, problems);
      setExit(problems.some(({ severity }) => severity === 'error') ? EXIT.failed : EXIT.nothingFound);
    });
  return command;
}

async function checked(io: Io, options: Options): Promise<TopicProblem[]> {
  const configuration = await configurationFor(io, options);
  const kafka = onKafka(configuration);
  const settings = await kafkaSettings(kafka, configuration.host);
  const plan = await schemaPlan(kafka);
  return [
    ...(await checkTopics(settings, topicPlan(kafka), silent)),
    ...(plan === null ? [] : await checkSchemas(settings, plan)),
  ];
}

function printCreated(
  io: Io,
  format: Format,
  { created, registered }: { created: readonly string[]; registered: readonly string[] },
  problems: readonly TopicProblem[],
): void {
  if (format === 'json') io.out.write(`${safeJson({ created, registered, problems })}\n`);
  else if (format === 'ndjson') {
    for (const topic of created) io.out.write(`${safeJson({ type: 'created', topic })}\n`);
    for (const subject of registered) io.out.write(`${safeJson({ type: 'registered', subject })}\n`);
    printProblems(io, format, problems);
  } else {
    io.out.write(
      created.length === 0 ? 'All topics were there.\n' : created.map((topic) => `made ${topic}\n`).join(''),
    );
    for (const subject of registered) io.out.write(`registered ${subject}\n`);
    if (problems.length > 0) printProblems(io, format, problems);
  }
}

function printProblems(io: Io, format: Format, problems: readonly TopicProblem[]): void {
  if (format === 'json') io.out.write(`${safeJson({ problems })}\n`);
  else if (format === 'ndjson')
    for (const problem of problems) io.out.write(`${safeJson({ type: 'problem', ...problem })}\n`);
  else if (problems.length === 0) io.out.write('The topics are as they have to be.\n');
  else printRows(io, problems);
}

function printRows(io: Io, problems: readonly TopicProblem[]): void {
  const rows = problems.map(({ severity, topic, setting, found, wanted }) => [
    severity,
    topic,
    setting,
    `${found}, should be ${wanted}`,
  ]);
  const columns = [0, 1, 2].map((index) => Math.max(...rows.map((row) => width(row[index] as string))));
  for (const row of rows)
    io.out.write(`${row.map((cell, index) => padEnd(cell, columns[index] ?? 0)).join('  ')}\n`);
}
