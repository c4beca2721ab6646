/** Preloaded into the measured program: when that ends, says on stderr its peak memory in bytes and its CPU seconds. */
process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  process.stderr.write(`peak ${maxRSS * 1024} cpu ${(userCPUTime + systemCPUTime) / 1e6}\n`);
});
