import { getOrMake } from '../domain/group.js';
import type { FindingReport, RelabelReport } from '../domain/report.js';
import type { Severity, Verdict } from '../domain/verdict.js';
import type { Conclusion } from '../events/topic-records.js';
import { CONCLUSION_TABLES, type ConclusionTable, digestOf, recordOf } from '../store/conclusions.js';
import type { Judged, JudgedItem } from './judge.js';
import type { Watermarks } from './watermarks.js';

/**
 * What was said of each item of a cluster's report, so that a thing is said again only when something about it changed:
 *
 * - what it says: the next revision;
 * - that it is no longer so: the next revision, retracted. Should it come back, that is a revision again;
 * - that another of the hosts it rests on has passed it: the same revision; confirmed when it was the last of them;
 * - its place among the others, or the hosts it rests on: the same revision.
 *
 * Every record of an item has the next version.
 *
 * What rests on events that were let go is forgotten without being taken back. Should an item of its name come again,
 * it goes on behind the highest version that was ever forgotten, so that readers take the new one for the later one.
 * What comes too late to be judged is said in version 0, which stands behind whatever was said of it in time.
 */

/** What it takes to go on after a restart: what was last said, without its words. */
export type SaidOf = Omit<Conclusion, 'cluster' | 'item'>;

/** A conclusion to be published, with what the metrics ask of it. */
export interface Saying {
  conclusion: Conclusion;
  /** null when it is retracted */
  item: JudgedItem | null;
  /** of a relabel, as it was before; null when it had none */
  verdict_before: Verdict | null;
  isFirst: boolean;
}

/** What is said of an item, or of none any more; only a saying is published. */
export type Noted =
  | { saying: Saying }
  | { said: Conclusion }
  | { forgotten: { table: ConclusionTable; id: string } };

interface Entry {
  revision: number;
  version: number;
  retracted: boolean;
  confirmed: boolean | null;
  host: string;
  at_us: number;
  hosts: readonly string[];
  order_us: number;
  place: number;
  digest: string;
  /** hosts that keep it from being confirmed */
  waits_for: readonly string[];
  /** while it waits; not kept over a restart, since the first judgement brings it again */
  item: JudgedItem | null;
  verdict: Verdict | null;
  open: Severity | null;
}

const NO_ITEM = Buffer.alloc(0);
const NOBODY: readonly string[] = [];

export class Said {
  readonly #cluster: string;
  readonly #watermarks: Watermarks;
  readonly #entries = new Map<ConclusionTable, Map<string, Entry>>(
    CONCLUSION_TABLES.map((table) => [table, new Map()]),
  );
  /** by each host that has not passed them */
  readonly #waiting = new Map<string, Set<Entry>>();
  readonly #hostLists = new Map<string, readonly string[]>();
  /** lists of one host, by it: most are */
  readonly #lonely = new Map<string, readonly string[]>();

  /** the highest version of what was forgotten */
  #forgotten = 0;

  constructor(cluster: string, watermarks: Watermarks) {
    this.#cluster = cluster;
    this.#watermarks = watermarks;
  }

  restore(said: SaidOf): void {
    const { revision, version, retracted, confirmed, host, at_us, order_us, place, digest } = said;
    const entry: Entry = {
      ...blankEntry(),
      ...{ revision, version, retracted, confirmed, host, at_us, order_us, place, digest },
      hosts: this.#hostList(said.hosts),
      waits_for: this.#hostList(said.waits_for),
    };
    this.#of(said.table).set(said.id, entry);
  }

  get forgottenVersion(): number {
    return this.#forgotten;
  }

  restoreForgotten(version: number): void {
    this.#forgotten = version;
  }

  /** Is nothing more expected to be said about it, but for hosts that are not expected to say anything any more? */
  isFinal(table: ConclusionTable, id: string, isSilent: (host: string) => boolean): boolean {
    const entry = this.#of(table).get(id);
    return entry === undefined || entry.confirmed !== false || entry.waits_for.every(isSilent);
  }

  /** A violation that nothing has mended. */
  isOpen(finding: string): boolean {
    const entry = this.#of('findings').get(finding);
    return entry !== undefined && entry.open !== null && entry.verdict === 'violation';
  }

  /** Would a reader be told something else by this item than what was last said? */
  differs({ table, id, item }: JudgedItem): boolean {
    const entry = this.#of(table).get(id);
    switch (table) {
      case 'hosts':
      case 'timeline':
        return false;
      case 'findings':
        return entry === undefined || entry.retracted || entry.open !== openSeverity(item as FindingReport);
      case 'relabels':
      case 'migrations':
        return entry === undefined || entry.retracted || entry.digest !== digestOf(recordOf(item));
    }
  }

  /**
   * Evidence was let go and all was judged anew: what is said from now on is compared with this, and what is not in it
   * is forgotten.
   */
  *settle({ items }: Judged): Iterable<Noted> {
    const named = new Map<ConclusionTable, Set<string>>(CONCLUSION_TABLES.map((table) => [table, new Set()]));
    for (const item of [...items].sort(byItem)) {
      named.get(item.table)?.add(item.id);
      if (this.#of(item.table).get(item.id)?.confirmed === false) {
        const { saying } = this.#judgeItem(item);
        if (saying !== null) yield { saying };
        continue;
      }
      const noted = this.#settleItem(item);
      if (noted !== null) yield { said: noted };
    }
    for (const table of CONCLUSION_TABLES) {
      const entries = this.#of(table);
      for (const id of [...entries.keys()].filter((each) => !named.get(table)?.has(each)).sort()) {
        const entry = entries.get(id) as Entry;
        this.#stopWaiting(entry);
        entries.delete(id);
        this.#forgotten = Math.max(this.#forgotten, entry.version, entry.revision);
        yield { forgotten: { table, id } };
      }
    }
  }

  #settleItem(item: JudgedItem): Conclusion | null {
    const { table, id } = item;
    const known = this.#of(table).get(id);
    const entry = known ?? this.#newEntry(table, id);
    const isMoved = this.#place(entry, known === undefined ? item : this.#inItsPlace(item));
    const digest = digestOf(recordOf(item.item));
    this.#note(entry, item);
    if (!isMoved && !entry.retracted && entry.digest === digest) return null;
    entry.retracted = false;
    entry.digest = digest;
    return this.#conclusion(table, id, entry, NO_ITEM);
  }

  #newEntry(table: ConclusionTable, id: string): Entry {
    const entry = { ...blankEntry(), version: this.#forgotten, revision: this.#forgotten };
    this.#of(table).set(id, entry);
    return entry;
  }

  /** What comes too late to be judged: it says nothing against what was said of it in time. */
  late(item: Pick<JudgedItem, 'table' | 'id' | 'item' | 'host' | 'at_us'>): Saying {
    const { table, id, host, at_us } = item;
    const hosts = [host];
    const whole: JudgedItem = { ...item, hosts, order_us: at_us, place: 0, moment: null };
    const record = recordOf(item.item);
    const isVerdict = table !== 'timeline';
    const entry = { ...blankEntry(), host, at_us, hosts, order_us: at_us, digest: digestOf(record) };
    const conclusion = this.#conclusion(
      table,
      id,
      { ...entry, confirmed: isVerdict ? true : null },
      Buffer.from(record),
    );
    return { conclusion, item: whole, verdict_before: null, isFirst: false };
  }

  /**
   * What there is to say after a judgement, if there was one, and after these hosts have said more: in an order that is
   * the same whether this process, or one before it, took the events in.
   */
  say(judged: Judged | null, moved: Iterable<string>): Saying[] {
    const sayings = judged === null ? [] : this.#judge(judged);
    for (const host of moved) sayings.push(...this.#confirm(host));
    return sayings.sort(bySaying);
  }

  #judge({ items, gone, isWhole }: Judged): Saying[] {
    const sayings: Saying[] = [];
    const named = new Set<Entry>();
    for (const item of items) {
      const { saying, entry } = this.#judgeItem(isWhole ? this.#inItsPlace(item) : item);
      if (saying !== null) sayings.push(saying);
      named.add(entry);
    }
    for (const { table, id } of isWhole ? this.#everything() : gone) {
      const entry = this.#of(table).get(id);
      if (entry === undefined || entry.retracted || named.has(entry)) continue;
      sayings.push(this.#retract(table, id, entry));
    }
    return sayings;
  }

  /**
   * Places depend on what is known of clocks when a guest is judged. Where all guests are, only because this process was
   * started, each item stays where it is until something about its guest happens, as without the start.
   */
  #inItsPlace(item: JudgedItem): JudgedItem {
    const entry = this.#of(item.table).get(item.id);
    return entry === undefined || entry.retracted
      ? item
      : { ...item, order_us: entry.order_us, place: entry.place };
  }

  #everything(): { table: ConclusionTable; id: string }[] {
    return CONCLUSION_TABLES.flatMap((table) => [...this.#of(table).keys()].map((id) => ({ table, id })));
  }

  #confirm(host: string): Saying[] {
    return [...(this.#waiting.get(host) ?? [])].flatMap((entry) => {
      const item = entry.item as JudgedItem;
      if (!this.#await(entry, item)) return [];
      entry.version++;
      return [this.#saying(item, entry, entry.verdict)];
    });
  }

  /** Verdicts that are not confirmed, by the host they wait for. */
  *waiting(): Iterable<[host: string, verdicts: number]> {
    for (const [host, entries] of this.#waiting) yield [host, entries.size];
  }

  /** Of every finding that is open. */
  *open(): Iterable<Severity> {
    for (const { open } of this.#of('findings').values()) if (open !== null) yield open;
  }

  #judgeItem(item: JudgedItem): { saying: Saying | null; entry: Entry } {
    const entries = this.#of(item.table);
    const known = entries.get(item.id);
    const record = recordOf(item.item);
    const digest = digestOf(record);
    const entry = known ?? this.#newEntry(item.table, item.id);
    const saysElse = entry.retracted || entry.digest !== digest;
    const isMoved = this.#place(entry, item);
    const verdict_before = entry.verdict;
    this.#note(entry, item);
    // what is confirmed stays so as long as it says the same of the same hosts
    const mayWait = saysElse || isMoved || entry.confirmed !== true;
    const waitsElse = mayWait && this.#await(entry, item);
    if (!saysElse && !isMoved && !waitsElse) return { saying: null, entry };
    entry.version++;
    if (saysElse) entry.revision++;
    entry.retracted = false;
    entry.digest = digest;
    const saying = this.#saying(item, entry, verdict_before, record);
    return { saying: { ...saying, isFirst: known === undefined }, entry };
  }

  #retract(table: ConclusionTable, id: string, entry: Entry): Saying {
    this.#stopWaiting(entry);
    Object.assign(entry, { retracted: true, confirmed: null, digest: '', verdict: null, open: null });
    entry.waits_for = NOBODY;
    entry.revision++;
    entry.version++;
    const conclusion = this.#conclusion(table, id, entry, NO_ITEM);
    return { conclusion, item: null, verdict_before: null, isFirst: false };
  }

  /** Sets down where the item stands, and tells whether that is elsewhere than before. */
  #place(entry: Entry, { host, at_us, hosts, order_us, place }: JudgedItem): boolean {
    const list = this.#hostList(hosts);
    const isSame =
      entry.hosts === list &&
      entry.host === host &&
      entry.at_us === at_us &&
      entry.order_us === order_us &&
      entry.place === place;
    entry.host = host;
    entry.at_us = at_us;
    entry.hosts = list;
    entry.order_us = order_us;
    entry.place = place;
    return !isSame;
  }

  #note(entry: Entry, { table, item }: JudgedItem): void {
    if (table === 'relabels') entry.verdict = (item as RelabelReport).verdict;
    if (table !== 'findings') return;
    entry.verdict = (item as FindingReport).verdict;
    entry.open = openSeverity(item as FindingReport);
  }

  /** Lets the item wait for the hosts that have not passed it, and tells whether these are others than before. */
  #await(entry: Entry, item: JudgedItem): boolean {
    const { confirmed, waits_for } = entry;
    this.#stopWaiting(entry);
    if (item.moment === null) return false;
    const { moment } = item;
    const lagging = item.hosts.filter((host) => !this.#watermarks.hasPassed(host, moment));
    entry.waits_for = this.#hostList(lagging);
    entry.confirmed = lagging.length === 0;
    entry.item = entry.confirmed ? null : item;
    for (const host of lagging) getOrMake(this.#waiting, host, () => new Set()).add(entry);
    return entry.confirmed !== confirmed || entry.waits_for !== waits_for;
  }

  #stopWaiting(entry: Entry): void {
    for (const host of entry.waits_for) {
      const others = this.#waiting.get(host);
      others?.delete(entry);
      if (others?.size === 0) this.#waiting.delete(host);
    }
    entry.item = null;
  }

  /** @param record as `recordOf` gives it, where it is at hand */
  #saying(
    item: JudgedItem,
    entry: Entry,
    verdict_before: Verdict | null,
    record = recordOf(item.item),
  ): Saying {
    // only where the item counts its own revisions does it say more than its record
    const text =
      'revision' in item.item ? JSON.stringify({ ...item.item, revision: entry.revision }) : record;
    const conclusion = this.#conclusion(item.table, item.id, entry, Buffer.from(text));
    return { conclusion, item, verdict_before, isFirst: false };
  }

  #conclusion(table: ConclusionTable, id: string, entry: Entry, item: Buffer): Conclusion {
    return {
      cluster: this.#cluster,
      table,
      id,
      revision: entry.revision,
      version: entry.version,
      retracted: entry.retracted,
      confirmed: entry.confirmed,
      waits_for: entry.waits_for as string[],
      host: entry.host,
      at_us: entry.at_us,
      hosts: entry.hosts as string[],
      order_us: entry.order_us,
      place: entry.place,
      digest: entry.digest,
      item,
    };
  }

  #of(table: ConclusionTable): Map<string, Entry> {
    return this.#entries.get(table) as Map<string, Entry>;
  }

  /** One array for all that rest on the same hosts: there are few of these, and many items. */
  #hostList(hosts: readonly string[]): readonly string[] {
    const [only] = hosts;
    if (only === undefined) return NOBODY;
    if (hosts.length === 1) return getOrMake(this.#lonely, only, () => hosts);
    return getOrMake(this.#hostLists, JSON.stringify(hosts), () => hosts);
  }
}

function blankEntry(): Entry {
  return {
    revision: 0,
    version: 0,
    retracted: false,
    confirmed: null,
    host: '',
    at_us: 0,
    hosts: NOBODY,
    order_us: 0,
    place: 0,
    digest: '',
    waits_for: NOBODY,
    item: null,
    verdict: null,
    open: null,
  };
}

function openSeverity({ state, severity }: FindingReport): Severity | null {
  return state === 'open' ? severity : null;
}

function bySaying({ conclusion: a }: Saying, { conclusion: b }: Saying): number {
  return byItem(a, b);
}

type Sorted = Pick<Conclusion, 'at_us' | 'table' | 'id'>;

function byItem(a: Sorted, b: Sorted): number {
  if (a.at_us !== b.at_us) return a.at_us - b.at_us;
  if (a.table !== b.table) return a.table < b.table ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}
