// A real ClickHouse server on HTTP: the engine of the package chdb, whose clickhouse-local entry opens the server's own
// HTTP listener (SYSTEM START LISTEN HTTP). `node clickhouse-server.mjs PORT DIRECTORY [CONFIGURATION]` serves until it is killed.
import { createRequire } from 'node:module';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const require = createRequire(import.meta.url);
const WAIT_FOR_EVER =
  'SELECT sleep(3) FROM numbers(1000000000) ' +
  'SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0 FORMAT Null';

if (isMainThread) {
  const [port, directory, configuration] = process.argv.slice(2);
  // the call into the engine does not return, so it has a thread of its own
  new Worker(new URL(import.meta.url), { workerData: { port, directory, configuration } }).on(
    'error',
    (error) => {
      process.stderr.write(`${error.stack}\n`);
      process.exit(1);
    },
  );
} else {
  const { DataType, load, open } = require('ffi-rs');
  const ofChdb = createRequire(require.resolve('chdb/package.json'));
  const library = `@chdb/lib-${process.platform}-${process.arch}-gnu`;
  const packageFile = ofChdb.resolve(`${library}/package.json`);
  const argv = [
    'clickhouse',
    '--multiquery',
    `--path=${workerData.directory}`,
    ...(workerData.configuration ? [`--config-file=${workerData.configuration}`] : []),
    '--listen_host=127.0.0.1',
    `--http_port=${workerData.port}`,
    `--query=SYSTEM START LISTEN HTTP; ${WAIT_FOR_EVER}`,
  ];
  open({ library: 'chdb', path: packageFile.replace(/package\.json$/, 'libchdb.so') });
  load({
    library: 'chdb',
    funcName: 'query_stable_v2',
    retType: DataType.External,
    paramsType: [DataType.I32, DataType.StringArray],
    paramsValue: [argv.length, argv],
    runInNewThread: false,
  });
}
