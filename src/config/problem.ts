import { MigrationAuditError } from '../domain/errors.js';

/** One thing that is wrong with a configuration. */
export interface Problem {
  /** name of the key, or of the section; null when it is about the file as a whole */
  key: string | null;
  /** the variable that the value came from; null when it came from the file, or is missing */
  variable: string | null;
  file: string | null;
  /** from 1; null when it is about no line */
  line: number | null;
  text: string;
  hint: string | null;
}

/** `/etc/migration-audit/config.yaml, line 3: collect.audit.path` */
export function whereOf({ key, variable, file, line }: Problem): string {
  if (variable !== null) return key === null || key === variable ? variable : `${variable}: ${key}`;
  const place = line === null ? file : `${file}, line ${line}`;
  return [place, key].filter((part) => part !== null).join(': ');
}

export function errorOf(problem: Problem): MigrationAuditError {
  return new MigrationAuditError('MA_CONFIG', whereOf(problem), problem.text, {
    ...(problem.hint !== null && { hint: problem.hint }),
  });
}
