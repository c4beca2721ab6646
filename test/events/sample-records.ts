import type { Conclusion, DeadLetter } from '../../src/events/topic-records.js';
import { HOSTILE_NAME } from './sample-events.js';

/** What travels beside events, with the values that travel worst. */

const said: Conclusion = {
  cluster: 'lab',
  table: 'findings',
  id: `finding/${HOSTILE_NAME}`,
  revision: 2,
  version: 3,
  retracted: false,
  confirmed: false,
  waits_for: ['hosta'],
  host: 'hostb',
  at_us: 1_753_000_000_123_456,
  hosts: ['hosta', 'hostb'],
  order_us: 1_753_000_000_123_457,
  place: 1,
  digest: '0123456789abcdefghijkl',
  item: Buffer.from(JSON.stringify({ id: `finding/${HOSTILE_NAME}` })),
};

export const SAMPLE_CONCLUSIONS: Conclusion[] = [
  said,
  { ...said, version: 4, confirmed: true, waits_for: [] },
  { ...said, revision: 3, version: 5, retracted: true, confirmed: null, item: Buffer.alloc(0) },
];

export const SAMPLE_DEAD_LETTER: DeadLetter = {
  reason: 'MA_BAD_EVENT',
  text: 'the bytes are no event: cut short at offset 3',
  group: 'correlate',
  topic: 'events',
  partition: 11,
  offset: 2 ** 40,
  appended_us: 1_753_000_000_123_456,
  key: HOSTILE_NAME,
  value: Buffer.from([0xc3, 0x01, 0x00, 0xff]),
};
