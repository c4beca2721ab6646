/** Preloaded into the measured program: when that ends, says on stderr how much memory it took at most, in bytes. */
process.on('exit', () => process.stderr.write(`peak ${process.resourceUsage().maxRSS * 1024}\n`));
