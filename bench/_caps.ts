import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { read } from '../test/collect/audit/reading.js';

const C = '/work/main/test/golden/captures/';
for (const c of readdirSync(C))
  for (const h of readdirSync(C + c)) {
    const p = `${C}${c}/${h}/audit.log`;
    if (!existsSync(p)) continue;
    const r = read(readFileSync(p));
    const k: any = {};
    for (const e of r.events) {
      const n =
        e.kind === 'GapDetected'
          ? (e.body as any).kind
          : e.kind === 'AccessDenied'
            ? 'Denied:' + (e.body as any).file_context.split(':')[2] + '/' + (e.body as any).permissions
            : e.kind === 'RelabelObserved'
              ? 'R:' +
                (e.body as any).call +
                (e.body.missing_records.length ? '!' + e.body.missing_records : '')
              : e.kind;
      k[n] = (k[n] || 0) + 1;
    }
    console.log(c, h, JSON.stringify(k), r.foreignLines);
  }
