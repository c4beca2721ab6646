import type { CorrelatorOptions } from '../correlate/correlate.js';
import { expiredEntry, expiredRelabel } from '../correlate/expired.js';
import { Remains } from '../correlate/remains.js';
import { type GuestRef, timelineId } from '../domain/report.js';
import type { Output } from '../eventlog/port.js';
import { encodeConclusion } from '../events/codec.js';
import type { Event, EventOf } from '../events/event.js';
import { Judge } from './judge.js';
import { Said, type Saying } from './said.js';
import { type Round, Settling, type SettlingOptions } from './settling.js';
import { eventState, forgotten, type StateRecord, saidState, watermarkState } from './state-records.js';
import { type Relabel, WaitingRelabels } from './waiting-relabels.js';
import { Watermarks } from './watermarks.js';

export interface ClusterOptions extends SettlingOptions {
  correlator: CorrelatorOptions;
  /** relabels that nothing ties to a guest are dropped when they take more memory than this */
  waiting_bytes_max: number;
}

/** An event with the bytes it came as. */
export interface Arrived {
  event: Event;
  bytes: Buffer;
}

export interface Taken {
  outputs: Output[];
  sayings: Saying[];
  /** relabels that nobody will judge */
  dropped: Relabel[];
  /** events that came too late to be judged */
  late: number;
  /** null while it was not time for one */
  round: Round | null;
}

/**
 * Everything that is known of one cluster. What it says in the end is a function of the set of its events, however they
 * are ordered, repeated and cut into batches; the numbers of revisions and versions count the way there.
 */
export class Cluster {
  readonly watermarks = new Watermarks();
  readonly said: Said;
  readonly waiting: WaitingRelabels;
  readonly name: string;
  readonly #remains = new Remains();
  readonly #settling: Settling;
  #judge: Judge;
  /** nothing was judged since it was made or restored: another version may say other things of the same events */
  #isUnjudged = true;

  constructor(name: string, options: ClusterOptions) {
    this.name = name;
    this.#judge = new Judge(name, options.correlator, this.#remains);
    this.#settling = new Settling(name, options);
    this.said = new Said(name, this.watermarks);
    this.waiting = new WaitingRelabels(options.waiting_bytes_max);
  }

  restore(record: StateRecord): void {
    switch (record.kind) {
      case 'event':
        this.waiting.learn(record.event);
        this.#judge.take(record.event);
        break;
      case 'waiting':
        this.waiting.learn(record.event);
        this.waiting.hold(record.event as Relabel);
        break;
      case 'host':
        this.watermarks.restore(record.host, record.watermark);
        this.#judge.readsStreams(record.host, record.watermark.streams);
        break;
      case 'remains':
        this.#remains.set(record.remains);
        this.waiting.learnFiles(record.remains.files);
        break;
      case 'settled':
        this.#settling.restore(record.settled);
        this.said.restoreForgotten(record.settled.forgotten_version);
        for (const [host, remains] of Object.entries(record.settled.hosts))
          this.#remains.hosts.set(host, remains);
        break;
      case 'said':
        this.said.restore(record.said);
    }
  }

  /** Takes a batch in and judges once; before the first one also what was restored. */
  take(arrived: readonly Arrived[]): Taken {
    const outputs: Output[] = [];
    const sayings = this.#isUnjudged ? this.said.say(this.#judge.revise(), []) : [];
    this.#isUnjudged = false;
    const relabels: Arrived[] = [];
    const moved = new Set<string>();
    const late: Saying[] = [];
    let isChanged = false;
    for (const each of arrived) {
      const { event } = each;
      this.waiting.learn(event);
      if (event.kind === 'RelabelObserved') relabels.push(each);
      else if (!this.#isInTime(event, late)) continue;
      else if (event.kind === 'Heartbeat') {
        if (!this.watermarks.take(event)) continue;
        moved.add(event.host);
        isChanged = this.#readStreams(event) || isChanged;
      } else if (this.#judge.take(event)) {
        outputs.push(eventState('event', event, each.bytes));
        isChanged = true;
      }
    }
    isChanged = this.#takeRelabels(relabels, outputs, late) || isChanged;
    const dropped = this.#dropExcess(outputs);
    for (const host of moved) {
      const watermark = this.watermarks.get(host);
      if (watermark !== null) outputs.push(watermarkState(this.name, host, watermark));
    }
    const judged = isChanged ? this.#judge.revise() : null;
    sayings.push(...this.said.say(judged, moved));
    for (const { event, guest } of judged?.late ?? []) late.push(this.#lateRelabel(event, guest));
    for (const { conclusion } of sayings) outputs.push(published(conclusion), saidState(conclusion));
    for (const { conclusion } of late) outputs.push(published(conclusion));
    const round = this.#settling.round(this.#judge, this.said, this.watermarks);
    if (round !== null) sayings.push(...this.#letGo(round, outputs));
    return { outputs, sayings: [...sayings, ...late], dropped, late: late.length, round };
  }

  /** Memory that the events take, about. */
  get bytes(): number {
    return this.#judge.bytes;
  }

  /** False for what belongs to events that were let go: it is said to be undetermined. */
  #isInTime(event: Event, late: Saying[]): boolean {
    const expired = this.#judge.expired(event);
    if (expired === null) return true;
    const { guest, isKept } = expired;
    if (event.kind === 'RelabelObserved') {
      late.push(this.#lateRelabel(event, guest));
      return isKept;
    }
    const item = expiredEntry(event, guest);
    const { host, at: at_us } = event;
    if (item !== null)
      late.push(this.said.late({ table: 'timeline', id: timelineId(item), host, at_us, item }));
    return isKept;
  }

  #lateRelabel(event: Relabel, guest: GuestRef): Saying {
    const { id, host, at: at_us } = event;
    return this.said.late({ table: 'relabels', id, host, at_us, item: expiredRelabel(event, guest) });
  }

  #letGo({ judge, outputs, sayings, unclaimed }: Round, into: Output[]): Saying[] {
    this.#judge = judge;
    for (const relabel of unclaimed)
      if (this.waiting.hold(relabel)) into.push(eventState('waiting', relabel));
    for (const [, { files }] of judge.remains.all()) this.waiting.learnFiles(files);
    for (const output of outputs) into.push(output);
    for (const { conclusion } of sayings) into.push(published(conclusion), saidState(conclusion));
    return sayings;
  }

  /** Guests that anything is known of. */
  get guests(): number {
    return this.#judge.guests;
  }

  get isUnjudged(): boolean {
    return this.#isUnjudged;
  }

  #readStreams({ host }: EventOf<'Heartbeat'>): boolean {
    return this.#judge.readsStreams(host, this.watermarks.get(host)?.streams ?? []);
  }

  /** Those that matter are judged; the others wait until something tells that they do. */
  #takeRelabels(arrived: readonly Arrived[], outputs: Output[], late: Saying[]): boolean {
    let isChanged = false;
    this.#judge.placeNew();
    for (const { event, bytes } of arrived) {
      const relabel = event as Relabel;
      if (!this.#isInTime(relabel, late)) continue;
      const matters = this.waiting.matters(relabel);
      const isNew = matters ? this.#judge.take(relabel) : this.waiting.hold(relabel);
      if (isNew) outputs.push(eventState(matters ? 'event' : 'waiting', relabel, bytes));
      isChanged ||= matters && isNew;
    }
    for (const relabel of this.waiting.takeConcerned()) {
      outputs.push(forgotten(this.name, 'waiting', relabel.id));
      if (!this.#isInTime(relabel, late) || !this.#judge.take(relabel)) continue;
      outputs.push(eventState('event', relabel));
      isChanged = true;
    }
    return isChanged;
  }

  #dropExcess(outputs: Output[]): Relabel[] {
    const dropped = this.waiting.dropExcess();
    for (const { id } of dropped) outputs.push(forgotten(this.name, 'waiting', id));
    return dropped;
  }
}

function published(conclusion: Saying['conclusion']): Output {
  return {
    topic: conclusion.table === 'findings' ? 'findings' : 'timeline',
    record: { key: conclusion.cluster, value: encodeConclusion(conclusion), id: null },
  };
}
