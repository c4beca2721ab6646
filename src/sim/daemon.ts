import { listGuests } from './facts.js';
import { recordDaemon } from './records.js';
import type { Activity } from './scheduler.js';
import { actOn, pause, type Stage } from './stage.js';
import { bootId, type SimHost } from './world.js';

/** libvirtd and the host itself going down and coming back; what is not heard meanwhile leaves gaps. */

/** The daemon is gone: virsh prints `events received: N` and ends. */
export function daemonDies(stage: Stage, host: SimHost): { since_us: number } {
  host.daemon_up = false;
  host.listening = false;
  return { since_us: stage.scheduler.now_us };
}

/** systemd starts it again; the reconnecting daemon clears up (`cleanUp`) before virsh is connected again. */
export function* daemonReturns(
  stage: Stage,
  host: SimHost,
  death: { since_us: number },
  cleanUp: Activity | null,
): Activity {
  recordDaemon(stage, host, 'failed');
  yield pause(stage, 300, 900);
  host.daemon_pid = host.next_pid++;
  host.daemon_up = true;
  recordDaemon(stage, host, 'started');
  yield pause(stage, 100, 300);
  if (cleanUp !== null) yield* cleanUp;
  yield pause(stage, 500, 3000);
  listenAgain(stage, host, death.since_us, false);
}

/** A clean reboot of a host that runs no guest: serials begin again, the caches are empty. */
export function* rebootHost(stage: Stage, host: SimHost): Activity {
  const { since_us } = daemonDies(stage, host);
  yield pause(stage, 20_000, 90_000);
  host.boot = bootId(host.plan.name, since_us);
  host.serial = 40;
  host.next_pid = 500;
  host.daemon_pid = host.next_pid++;
  host.next_domain_id = 1;
  host.views.clear();
  host.daemon_up = host.plan.role === 'hypervisor';
  actOn(stage, host);
  listenAgain(stage, host, since_us, true);
}

function listenAgain(stage: Stage, host: SimHost, since_us: number, audit_too: boolean): void {
  const { now_us } = stage.scheduler;
  host.listening = host.plan.role === 'hypervisor';
  const from = stage.log.shown(host, since_us);
  const to = stage.log.shown(host, now_us);
  stage.log.gap(host, audit_too ? 'collector-down' : 'event-stream-ended', 'virsh-event', from, to);
  stage.log.gap(host, audit_too ? 'collector-down' : 'event-stream-ended', 'qemu-monitor-event', from, to);
  if (audit_too) stage.log.gap(host, 'collector-down', 'audit', from, to);
  stage.ledger.blind({ host: host.index, from_us: since_us, to_us: now_us, audit_too });
  if (host.plan.guests_listed_at === 'begin' || host.plan.guests_listed_at === 'both')
    listGuests(stage, host);
}
