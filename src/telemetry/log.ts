import { type Logger, pino } from 'pino';
import { safeJsonText } from '../domain/safe-json.js';
import { errorForLog } from './error-for-log.js';
import { textLine } from './text-line.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export interface LogOptions {
  level: LogLevel;
  /** a JSON object a line, or text for whoever watches a terminal */
  format: 'json' | 'text';
  /** fields of every line */
  role: string;
  host: string;
  cluster: string;
  /** takes whole lines, stderr as a rule; has to write them before it returns, lest the last ones be lost */
  to: { write(line: string): void };
  /** the secrets in use now: their values are struck out wherever they come up, as in messages of other programs */
  secrets?: () => Iterable<{ reveal(): string }>;
}

export interface Log {
  readonly logger: Logger;
  /** For the logger and every child of it. Children are for the parts of a role, not for each thing it does. */
  setLevel(level: LogLevel): void;
}

const SHOWN = '[secret]';

/** Field names under which others hand over what is nobody's business. */
const SECRET_FIELDS = ['password', 'token', 'secret', 'authorization'];

/** A shorter one would strike out words of every line and still be guessed. */
const SECRET_CHARACTERS_MIN = 4;

export function createLog(options: LogOptions): Log {
  const { level, format, role, host, cluster, to, secrets = () => [] } = options;
  const children: WeakRef<Logger>[] = [];
  const finish = format === 'json' ? safeJsonLine : (json: string) => textLine(JSON.parse(json));
  const logger = pino(
    {
      level,
      base: { role, host, cluster },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorForLog },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: SHOWN },
      onChild: (child) => {
        children.push(new WeakRef(child as Logger));
      },
    },
    { write: (line) => to.write(finish(struckOut(line, secrets()))) },
  );
  return {
    logger,
    setLevel: (next) => {
      for (const each of [logger, ...children.map((child) => child.deref())]) if (each) each.level = next;
    },
  };
}

function safeJsonLine(json: string): string {
  return `${safeJsonText(json.trimEnd())}\n`;
}

function struckOut(json: string, secrets: Iterable<{ reveal(): string }>): string {
  let line = json;
  for (const secret of secrets) {
    const value = secret.reveal();
    if (value.length >= SECRET_CHARACTERS_MIN)
      line = line.replaceAll(JSON.stringify(value).slice(1, -1), SHOWN);
  }
  return line;
}
