import { RELEASED_SCHEMA_TEXTS } from '../../../events/released-schema-texts.js';
import { beginsWith, headerOf } from '../../../events/single-object.js';
import type { Topic } from '../../port.js';

/** Which schemas the records of a topic have, and under which names a registry keeps them. */

/** How subjects are named, as the serializers of other programs name them. */
export const SUBJECT_NAMES = ['topic', 'record', 'topic-record'] as const;
export type SubjectNames = (typeof SUBJECT_NAMES)[number];

/** `state` is for processors alone. */
const ROOTS = {
  events: 'Event',
  timeline: 'Conclusion',
  findings: 'Conclusion',
  'dead-letters': 'DeadLetter',
} as const satisfies Partial<Record<Topic, keyof typeof RELEASED_SCHEMA_TEXTS>>;

type Root = (typeof ROOTS)[keyof typeof ROOTS];
export type SharedTopic = keyof typeof ROOTS;

/** The topics that others may read. */
export const SHARED_TOPICS = Object.keys(ROOTS) as SharedTopic[];

export function isShared(topic: Topic): topic is SharedTopic {
  return Object.hasOwn(ROOTS, topic);
}

export interface WrittenSchema {
  fingerprint: string;
  /** how its records begin in our own form */
  header: Buffer;
  /** JSON */
  text: string;
}

const WRITTEN: Record<Root, readonly WrittenSchema[]> = {
  Event: writtenWith('Event'),
  Conclusion: writtenWith('Conclusion'),
  DeadLetter: writtenWith('DeadLetter'),
};

/** Of every release, oldest first; the last one is what this version writes. */
export function schemasOf(topic: SharedTopic): readonly WrittenSchema[] {
  return WRITTEN[ROOTS[topic]];
}

/** That of a record in our own form; null when it is none of the topic's. */
export function schemaIn(topic: SharedTopic, value: Buffer): WrittenSchema | null {
  return schemasOf(topic).findLast(({ header }) => beginsWith(value, header)) ?? null;
}

/** @param name of the topic in Kafka */
export function subjectOf(names: SubjectNames, topic: SharedTopic, name: string): string {
  const record = `migration_audit.${ROOTS[topic]}`;
  switch (names) {
    case 'topic':
      return `${name}-value`;
    case 'record':
      return record;
    case 'topic-record':
      return `${name}-${record}`;
  }
}

function writtenWith(root: Root): WrittenSchema[] {
  return RELEASED_SCHEMA_TEXTS[root].map(({ fingerprint, text }) => ({
    fingerprint,
    text,
    header: headerOf({ fingerprint }),
  }));
}
