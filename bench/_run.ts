import { openSync, readSync } from 'node:fs';
import { AuditReader } from '/work/main/src/collect/audit/reader.js';

const path = process.argv[2];
const runs = Number(process.argv[3] ?? 4);
const CH = 1 << 20;
for (let r = 0; r < runs; r++) {
  let events = 0,
    w = 0,
    rej = 0;
  const kinds: any = {};
  const sink = {
    event(e: any) {
      events++;
      w += e.witness.length;
    },
    rejected() {
      rej++;
    },
    foreign() {},
  };
  const reader = new AuditReader({ cluster: 'b', host: 'hosta', boot: null, file: path }, sink);
  const f = openSync(path, 'r');
  let bytes = 0;
  const t = process.hrtime.bigint();
  const u0 = process.cpuUsage();
  for (;;) {
    const c = Buffer.allocUnsafeSlow(CH);
    const n = readSync(f, c);
    if (!n) break;
    bytes += n;
    reader.write(n === CH ? c : c.subarray(0, n));
  }
  reader.end();
  const s = Number(process.hrtime.bigint() - t) / 1e9;
  const u = process.cpuUsage(u0);
  const cs = (u.user + u.system) / 1e6;
  console.log(
    'cpu ' + (bytes / 1e6 / cs).toFixed(0) + ' MB/s wall',
    (bytes / 1e6 / s).toFixed(0) + ' MB/s',
    Math.round(events / s / 1000) + ' k/s',
    ((s * 1e9) / events).toFixed(0) + ' ns/ev',
    events,
    rej,
    w,
  );
}
