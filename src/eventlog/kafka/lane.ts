import type { Kafka } from 'kafkajs';
import type { Logger } from 'pino';
import { BackOff } from '../../domain/back-off.js';
import { pause } from '../../waiting/pause.js';
import { batchesOf } from '../batches.js';
import type { LogRecord, ProcessOptions } from '../port.js';
import { explained, isFenced, isPassing } from './client.js';
import { Committer } from './committer.js';
import { latestStates } from './latest-states.js';
import { PartitionReader } from './partition-reader.js';
import type { ReadRecords } from './record-batch.js';
import { groupName, type KafkaSettings, topicName } from './settings.js';
import { type KillPoint, Transactions } from './transactions.js';

const FETCH_WAIT_MS = 1_000;
const RETRY = { first_ms: 100, most_ms: 15_000 };

export interface LaneOptions {
  kafka: Kafka;
  settings: KafkaSettings;
  processing: ProcessOptions;
  partition: number;
  /** ended when the partition is another's, or the whole is to end */
  signal: AbortSignal;
  /** resolves when the group says that the partition is still this process's */
  confirmed: () => Promise<void>;
  logger: Logger;
  at: (point: KillPoint) => void;
}

/** What a handler threw, which ends the whole; whatever else goes wrong is tried again. */
class HandlerFailure extends Error {}

/**
 * Processes one partition for as long as it is this process's.
 *
 * A stay goes: take the transactions of the partition over (the former owner can commit no more), read the position
 * and the state that it left, then batch after batch in one transaction each. Whatever fails ends the stay, and the
 * next one begins with what is committed. So a process that lost the partition without knowing does no harm: it can
 * read, and its commit is refused.
 *
 * @throws what a handler throws, MigrationAuditError for what trying again cannot mend
 */
export async function runLane(options: LaneOptions): Promise<void> {
  const { signal, logger, partition, confirmed, processing } = options;
  const where = `${processing.topic}, partition ${partition}`;
  const backOff = new BackOff({ ...RETRY, seed: `${where} ${process.pid}` });
  while (!signal.aborted) {
    const began = performance.now();
    try {
      await stay(options);
    } catch (error) {
      if (error instanceof HandlerFailure) throw error.cause;
      const known = explained(error, where);
      if (!isPassing(known)) throw known;
      if (signal.aborted) return;
      if (performance.now() - began > RETRY.most_ms) backOff.reset();
      const wait_ms = backOff.next();
      if (isFenced(error)) logger.info({ partition }, 'another process took the partition over');
      else logger.warn({ partition, err: known }, `the partition is taken up again in ${wait_ms} ms`);
      await pause(wait_ms, signal);
      await first(confirmed(), Number.POSITIVE_INFINITY, signal);
    }
  }
}

async function stay({
  kafka,
  settings,
  processing,
  partition,
  signal,
  logger,
  at,
}: LaneOptions): Promise<void> {
  const { group, topic, handler, outputs } = processing;
  const transactions = new Transactions(
    { kafka, settings, logger, at },
    { group, topic, partition, outputs },
  );
  const events = new PartitionReader(kafka, topicName(settings, topic), topic, partition);
  try {
    await transactions.open();
    await events.open();
    const position = await positionOf(events, groupName(settings, group, topic), logger);
    if (signal.aborted) return;
    const states = new PartitionReader(kafka, topicName(settings, 'state'), 'state', partition);
    await begin(handler.begin.bind(handler), partition, states);
    const committer = new Committer((outputs, next) => transactions.commit(outputs, next));
    try {
      await consume({ processing, partition, signal, settings }, events, committer, position).finally(() =>
        committer.finish(),
      );
    } finally {
      await guarded(() => handler.end(partition));
    }
  } finally {
    await Promise.allSettled([transactions.close(), events.close()]);
  }
}

/** What was deleted before the group read it is gone, and is said. */
async function positionOf(reader: PartitionReader, group: string, logger: Logger): Promise<number> {
  const committed = await reader.committed(group);
  const { first, end } = await reader.bounds();
  if (committed === null) return first;
  if (committed >= first && committed <= end) return committed;
  logger.error(
    { group, committed, first, end },
    'the position of the group is not in the topic any more: records were deleted before it read them',
  );
  return first;
}

/** The connections for the state are there only when the handler asks for it, and no longer. */
async function begin(
  handle: ProcessOptions['handler']['begin'],
  partition: number,
  reader: PartitionReader,
): Promise<void> {
  let failure: unknown = null;
  async function* states(): AsyncGenerator<LogRecord> {
    try {
      await reader.open();
      yield* latestStates(reader);
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  try {
    await guarded(() => handle(partition, states()));
  } catch (error) {
    throw failure ?? error;
  } finally {
    await reader.close();
  }
}

/** While the handler works on a batch, the ones before are committed and the ones after are fetched. */
async function consume(
  {
    processing,
    partition,
    signal,
    settings,
  }: Pick<LaneOptions, 'processing' | 'partition' | 'signal' | 'settings'>,
  events: PartitionReader,
  committer: Committer,
  from: number,
): Promise<void> {
  const { handler, idle_ms } = processing;
  let position = from;
  let coming = fetching(events, position, settings);
  let idle_at = idle_ms === null ? Number.POSITIVE_INFINITY : performance.now() + idle_ms;
  const take = async (batch: readonly LogRecord[], next: number) => {
    const outputs = await guarded(() => handler.take(batch, partition));
    const stray = outputs.find(({ topic }) => !processing.outputs.includes(topic));
    if (stray !== undefined)
      throw new HandlerFailure('', { cause: new Error(`outputs to ${stray.topic} were not announced`) });
    if (outputs.length > 0 || next !== position) await committer.add(outputs, next);
    position = next;
    if (idle_ms !== null) idle_at = performance.now() + idle_ms;
  };
  while (!signal.aborted) {
    const fetched = await first(coming, idle_at - performance.now(), signal);
    if (fetched === null) {
      if (!signal.aborted) await take([], position);
      continue;
    }
    coming = fetching(events, fetched.next, settings);
    const batches = [...batchesOf(fetched.records, processing)];
    if (batches.length === 0) {
      // marks of transactions alone: nobody is to take them for records that wait
      if (fetched.next !== position) await committer.add([], fetched.next);
      position = fetched.next;
      // nothing else is there to do
      await committer.finish();
    }
    for (const [index, batch] of batches.entries()) {
      if (signal.aborted) return;
      const isLast = index === batches.length - 1;
      await take(batch, isLast ? fetched.next : (batch.at(-1) as LogRecord).offset + 1);
    }
  }
}

/** Its failure is heard of when it is waited for, if ever. */
function fetching(events: PartitionReader, from: number, { framing }: KafkaSettings): Promise<ReadRecords> {
  const coming = events.fetch(from, FETCH_WAIT_MS).then(async (fetched) => {
    const records = await framing?.incoming(fetched.records);
    return records === undefined ? fetched : { ...fetched, records };
  });
  coming.catch(() => {});
  return coming;
}

/** Null when the time is over, or the signal came, before there was an answer. */
function first<T>(coming: Promise<T>, ms: number, signal: AbortSignal): Promise<T | null> {
  if (signal.aborted) return Promise.resolve(null);
  return new Promise((resolve, reject) => {
    // nothing may be left behind on the signal: it lives as long as the process
    const end = (settle: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      settle();
    };
    const giveUp = () => end(() => resolve(null));
    const timer = Number.isFinite(ms) ? setTimeout(giveUp, Math.max(0, ms)) : undefined;
    signal.addEventListener('abort', giveUp);
    coming.then(
      (value) => end(() => resolve(value)),
      (error) => end(() => reject(error)),
    );
  });
}

async function guarded<T>(handle: () => Promise<T>): Promise<T> {
  try {
    return await handle();
  } catch (cause) {
    throw new HandlerFailure('the handler failed', { cause });
  }
}
