import { isTimeUs } from '../../domain/time.js';
import type { AuditStatus, Event, GapDetected } from '../../events/event.js';
import { gapDetected } from '../collector-event.js';
import type { Clock } from '../process/clock.js';
import { type RunProgram, runProgram } from '../process/run-program.js';
import type { Source, SourceOutput } from '../source.js';
import { parseAuditRule, recordsRelabels } from './audit-rules.js';
import { readAuditRules, readAuditStatus } from './auditctl.js';
import type { Boot } from './boot.js';

export interface KernelLossesOptions {
  cluster: string;
  host: string;
  boot: Boot;
  /** path of the program */
  auditctl: string;
  every_s: () => number;
  clock: Clock;
  run?: RunProgram;
}

const LIMITS = { timeout_ms: 10_000, output_bytes_max: 1024 * 1024 };

/** What the kernel said when it was last asked. */
interface Asked {
  boot: string | null;
  at_us: number;
  lost: number;
  /** null: auditctl did not tell */
  rules: string | null;
}

/**
 * Asks the kernel what it did not record: overflows leave no trace in the audit log itself, not even a missing serial.
 * What is found out lies between two questions, so that is the gap. Needs CAP_AUDIT_CONTROL.
 */
export class KernelLossesSource implements Source {
  readonly name = 'kernel-losses';
  readonly stream = 'collector';
  private readonly options: KernelLossesOptions;
  private readonly run_: RunProgram;
  private asked: Asked | null = null;
  private isUp: boolean | null = null;

  constructor(options: KernelLossesOptions) {
    this.options = options;
    this.run_ = options.run ?? runProgram;
  }

  /** As the kernel last said; null before it was asked. Since boot. */
  lostRecords(): number | null {
    return this.asked?.lost ?? null;
  }

  async run(output: SourceOutput, checkpoint: Buffer | null, signal: AbortSignal): Promise<void> {
    const { clock, every_s } = this.options;
    let last = askedIn(checkpoint);
    while (!signal.aborted) {
      const now = await this.ask(signal);
      if (signal.aborted) return;
      if (typeof now === 'string') {
        output.down(now);
        this.isUp = false;
      } else {
        if (this.isUp !== true) output.up();
        this.isUp = true;
        const { asked, status } = now;
        await output.emit(this.gapsBetween(last, asked, status), Buffer.from(JSON.stringify(asked)));
        this.asked = asked;
        last = asked;
      }
      await clock.sleep(every_s() * 1000, signal);
    }
  }

  watermark_us(): number | null {
    return this.asked?.at_us ?? null;
  }

  private async ask(signal: AbortSignal): Promise<{ asked: Asked; status: AuditStatus } | string> {
    const { auditctl, clock, boot } = this.options;
    const at_us = clock.now_us();
    const said = await this.run_(auditctl, ['-s'], { ...LIMITS, signal });
    if (said.failure !== null) return `${auditctl} -s: ${said.failure}`;
    const status = readAuditStatus(said.stdout).facts.audit ?? null;
    if (status === null) return `${auditctl} -s prints no status that is known`;
    const listed = await this.run_(auditctl, ['-l'], { ...LIMITS, signal });
    const rules = listed.failure === null ? readAuditRules(listed.stdout).facts.audit_rules : null;
    return { asked: { boot: boot.id, at_us, lost: status.lost, rules: rules?.join('\n') ?? null }, status };
  }

  private gapsBetween(last: Asked | null, now: Asked, status: AuditStatus): Event[] {
    const gaps: Event[] = [];
    const isSameBoot = last !== null && last.boot === now.boot;
    const from = isSameBoot ? Math.min(last.at_us, now.at_us) : this.options.boot.began_us;
    const gap = (kind: GapDetected['kind'], lost: number | null, detail: string, since = from) =>
      gaps.push(this.gap(now.at_us, { kind, from: since, to: now.at_us, lost, detail }));

    const lostBefore = isSameBoot ? last.lost : 0;
    if (now.lost > lostBefore)
      gap(
        'audit-lost',
        now.lost - lostBefore,
        `the kernel counts ${now.lost - lostBefore} lost records more`,
      );
    if (now.lost < lostBefore)
      gap('audit-lost', null, 'the count of lost records was reset: how many more were lost is not known');

    // before the first question nobody can say whether it was any better
    const since = isSameBoot ? from : now.at_us;
    const rules = rulesIn(now);
    if (status.enabled === 0) gap('audit-disabled', null, 'the kernel does not record: auditctl -e 0', since);
    else if (rules !== null && !recordsRelabels(rules))
      gap('audit-disabled', null, 'no audit rule is loaded that records changes of owner', since);
    else if (isSameBoot && last.rules !== null && now.rules !== null && last.rules !== now.rules)
      gap('audit-rules-changed', null, 'other audit rules are loaded than before', since);
    return gaps;
  }

  private gap(at_us: number, hole: Pick<GapDetected, 'kind' | 'from' | 'to' | 'lost' | 'detail'>): Event {
    const { cluster, host } = this.options;
    const body = { ...hole, of_stream: 'audit' as const, serial_from: null, serial_to: null };
    return gapDetected({ cluster, host, at_us }, body);
  }
}

function rulesIn({ rules }: Asked) {
  if (rules === null) return null;
  return rules.split('\n').flatMap((line) => parseAuditRule(line) ?? []);
}

/** null for none that can be read: as if the kernel had never been asked */
function askedIn(checkpoint: Buffer | null): Asked | null {
  try {
    const { boot, at_us, lost, rules } = JSON.parse((checkpoint ?? '').toString()) as Partial<Asked>;
    if (typeof at_us !== 'number' || !isTimeUs(at_us) || typeof lost !== 'number') return null;
    return { boot: boot ?? null, at_us, lost, rules: rules ?? null };
  } catch {
    return null;
  }
}
