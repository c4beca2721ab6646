import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { onCluster, readStatements } from '../../src/store/ddl.js';
import { embeddedClient } from '../../src/store/embedded.js';

let directory: string;
let client: ClickHouseClient;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'migration-audit-ddl-'));
  client = await embeddedClient(directory);
});
afterAll(async () => {
  await client.close();
  rmSync(directory, { recursive: true, force: true });
});

/** How the engine reads the statement; fails where it cannot. */
async function syntaxTree(sql: string): Promise<string> {
  const result = await client.query({ query: `EXPLAIN AST ${sql}`, format: 'TabSeparatedRaw' });
  return result.text();
}

describe('a statement for all servers of a cluster', () => {
  it.each(readStatements().map(({ file, sql }) => [file, sql] as const))(
    '%s is the same statement, replicated',
    async (_, sql) => {
      const replicated = onCluster(sql, 'main');
      expect(replicated.match(/ON CLUSTER `main`/g)).toHaveLength(1);
      const [own, fleet] = [await syntaxTree(sql), await syntaxTree(replicated)];
      if (!/^CREATE TABLE/m.test(sql)) {
        expect(fleet).toBe(own);
        return;
      }
      const engine = /Function (ReplacingMergeTree)\b.*\n?/;
      expect(own).toMatch(engine);
      expect(fleet).toMatch(/Function ReplicatedReplacingMergeTree \(children 1\)/);
      expect(fleet).toContain("Literal '/clickhouse/tables/{shard}/{database}/{table}'");
      expect(fleet).toContain("Literal '{replica}'");
      const columns = (tree: string) => tree.slice(tree.indexOf('Columns'), tree.indexOf('Storage'));
      expect(columns(fleet)).toBe(columns(own));
    },
  );

  it('takes no cluster name for anything else', async () => {
    const [{ sql } = { sql: '' }] = readStatements();
    const replicated = onCluster(sql, 'a` (x UInt8) ENGINE = Null; --\\');
    expect(replicated).toContain('ON CLUSTER `a\\` (x UInt8) ENGINE = Null; --\\\\` (');
    await syntaxTree(replicated);
  });
});

describe('the sorting key of the timeline', () => {
  const UUID = '7e570000-0000-4000-8000-000000000001';
  it.each([
    ['ends with a UUID', `hosta/audit/1753000000000:7#${UUID}`, UUID],
    ['ends with a name', 'hosta/audit/1753000000000:7#name:vm1', ''],
    ['concerns no guest', 'hosta/audit/1753000000000:7', ''],
    ['comes from a node with a hostile name', `hosta/audit@a#b/1753000000000:7#${UUID}`, UUID],
  ])('is made of the id alone, which every writing of a row has: one that %s', async (_, id, guest) => {
    const { sql = '' } = readStatements().find(({ file }) => file.includes('timeline')) ?? {};
    await client.command({ query: sql });
    await client.command({
      query: "INSERT INTO timeline (cluster, id, version, retracted) VALUES ('lab', {id:String}, 1, 1)",
      query_params: { id },
    });
    const rows = await client.query({
      query: 'SELECT guest FROM timeline WHERE id = {id:String}',
      query_params: { id },
      format: 'JSONEachRow',
    });
    expect(await rows.json()).toEqual([{ guest }]);
  });
});
