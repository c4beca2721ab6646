import { checkAudit } from './check-audit.js';
import { checkHost } from './check-host.js';
import { checkRules } from './check-rules.js';
import type { Condition, Item } from './condition.js';

/** Everything that collecting from a host needs, each with how it is. Pure: looks at nothing but the condition. */
export function examine(condition: Condition): Item[] {
  return [...checkHost(condition), ...checkAudit(condition), ...checkRules(condition)];
}
