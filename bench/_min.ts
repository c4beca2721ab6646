import { readFileSync } from 'node:fs';
import { AuditReader } from '../src/collect/audit/reader.js';

const path = process.argv[2] as string;
const big = readFileSync(path).subarray(0, 20 << 20);
const CH = 1 << 20;
const chunks: Buffer[] = [];
for (let i = 0; i < big.length; i += CH) chunks.push(big.subarray(i, i + CH));
let best = 1e9,
  nl = 1e9,
  events = 0;
const N = Number(process.argv[3] ?? 40);
for (let r = 0; r < N; r++) {
  events = 0;
  let w = 0;
  const sink = {
    event(e: any) {
      events++;
      w += e.witness.length + e.id.length;
    },
    rejected() {},
    foreign() {},
  };
  const reader = new AuditReader({ cluster: 'b', host: 'hosta', boot: null, file: path }, sink);
  let t = process.hrtime.bigint();
  for (const c of chunks) reader.write(c);
  reader.end();
  best = Math.min(best, Number(process.hrtime.bigint() - t) / 1e9);
  t = process.hrtime.bigint();
  let n = 0;
  for (const c of chunks) for (let at = c.indexOf(10); at >= 0; at = c.indexOf(10, at + 1)) n++;
  nl = Math.min(nl, Number(process.hrtime.bigint() - t) / 1e9);
}
console.log(
  'best',
  (big.length / 1e6 / best).toFixed(0),
  'MB/s',
  ((best * 1e9) / events).toFixed(0),
  'ns/ev; newlines',
  (big.length / 1e6 / nl).toFixed(0),
);
