import { describe, expect, it } from 'vitest';
import { MigrationAuditError } from '../../src/domain/errors.js';
import { createLog, type LogLevel } from '../../src/telemetry/log.js';

function logTo(format: 'json' | 'text', level: LogLevel = 'info', secrets: string[] = []) {
  const lines: string[] = [];
  const log = createLog({
    level,
    format,
    role: 'collect',
    host: 'hosta',
    cluster: 'lab',
    to: { write: (line) => lines.push(line) },
    secrets: () => secrets.map((value) => ({ reveal: () => value })),
  });
  return { ...log, lines, objects: () => lines.map((line) => JSON.parse(line)) };
}

const HOSTILE = 'a\x1b[2J\nb\x9b\u202e\u200b\u{e0041}\udcff"\\';

describe('a log in JSON', () => {
  it('has role, host and cluster, time, level and message in each line', () => {
    const { logger, lines, objects } = logTo('json');
    logger.warn({ stream: 'audit', lines: 3 }, 'lines could not be read');
    expect(lines[0]).toMatch(/^\{.*\}\n$/);
    expect(objects()).toEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        role: 'collect',
        host: 'hosta',
        cluster: 'lab',
        stream: 'audit',
        lines: 3,
        msg: 'lines could not be read',
      },
    ]);
  });

  it('keeps hostile text as it is, and shows none of it', () => {
    const { logger, lines, objects } = logTo('json');
    logger.info({ guest: HOSTILE, [HOSTILE]: 1 }, HOSTILE);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[ -~]+\n$/);
    expect(objects()[0]).toMatchObject({ guest: HOSTILE, [HOSTILE]: 1, msg: HOSTILE });
  });

  it('has code, place and hint of an error, and its causes', () => {
    const { logger, objects } = logTo('json');
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    logger.error(
      { err: new MigrationAuditError('MA_STORE', 'events', 'it is gone', { cause: refused }) },
      'not written',
    );
    expect(objects()[0].err).toEqual({
      code: 'MA_STORE',
      message: 'the store refused: it is gone',
      where: 'events',
      hint: 'see the message; nothing of this call was kept',
      cause: { code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
    });
  });

  it('has the stack of what nobody expected, and takes whatever was thrown', () => {
    const { logger, objects } = logTo('json');
    logger.error({ err: new TypeError('x is not a function') }, 'one');
    logger.error({ err: 'a text' }, 'two');
    expect(objects()[0].err).toMatchObject({ code: 'MA_BUG', stack: expect.stringContaining('log.test.ts') });
    expect(objects()[1].err).toEqual({ code: 'MA_BUG', message: 'a text' });
  });

  it('has of an endless chain of causes only the first ones', () => {
    const { logger, lines } = logTo('json');
    const error = new Error('endless');
    error.cause = error;
    logger.error({ err: error }, 'x');
    expect(lines[0]?.match(/"message":"endless"/g)).toHaveLength(5);
  });
});

describe('a log as text', () => {
  it('has a line for a person, with its fields', () => {
    const { logger, lines } = logTo('text');
    logger.info({ stream: 'virsh-event', text: 'two words', n: 2, list: ['a'] }, 'started again');
    expect(lines[0]).toMatch(
      /^\S+Z INFO {2}collect: started again {2}stream=virsh-event {2}text="two words" {2}n=2 {2}list=\["a"\]\n$/,
    );
  });

  it('has code, place and hint of an error as the commands print them', () => {
    const { logger, lines } = logTo('text');
    logger.error(
      { err: new MigrationAuditError('MA_UNREADABLE', '/x', 'EACCES', { cause: 'why' }) },
      'cannot follow',
    );
    expect(lines.join('').split('\n').slice(1)).toEqual([
      '  error MA_UNREADABLE: cannot be read: EACCES: /x',
      '  hint: check its permissions and type',
      '  caused by MA_BUG: why',
      '',
    ]);
  });

  it('shows hostile text escaped, in one line', () => {
    const { logger, lines } = logTo('text');
    logger.info({ guest: HOSTILE, [HOSTILE]: HOSTILE }, HOSTILE);
    logger.info({ err: new MigrationAuditError('MA_STORE', HOSTILE, HOSTILE, { hint: HOSTILE }) }, 'x');
    expect(lines[0]?.match(/\n/g)).toHaveLength(1);
    expect(lines[1]?.match(/\n/g)).toHaveLength(3);
    expect(lines.join('')).toMatch(/^[ -~\n]+$/);
  });
});

describe('a secret', () => {
  it.each(['json', 'text'] as const)('is struck out wherever it comes up (%s)', (format) => {
    const { logger, lines } = logTo(format, 'info', ['hunter2"\\', 'abc']);
    logger.info({ password: 'other', store: { password: 'other' } }, 'with hunter2"\\ in it, and abc');
    logger.error({ err: new Error('http://user:hunter2"\\@db refused') }, 'x');
    const text = lines.join('');
    expect(text).not.toMatch(/hunter2|other/);
    expect(text).toContain('with [secret] in it, and abc');
  });
});

describe('the level', () => {
  it('can be changed for the logger and its children', () => {
    const { logger, setLevel, objects } = logTo('json');
    const child = logger.child({ part: 'tail' });
    child.debug('not seen');
    setLevel('debug');
    child.debug('seen');
    logger.debug('seen');
    setLevel('error');
    child.warn('not seen');
    expect(objects().map(({ msg, part }) => [msg, part])).toEqual([
      ['seen', 'tail'],
      ['seen', undefined],
    ]);
  });
});
