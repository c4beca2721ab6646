/** What logs made of lines have in common, as bytes. */

export const NEWLINE = 0x0a;
export const CARRIAGE_RETURN = 0x0d;

const BETWEEN_LINES = Buffer.from([NEWLINE]);

/** The lines with a newline between each two. A single one comes back as it is, not copied. */
export function joinedLines(lines: readonly Buffer[]): Buffer {
  const [first] = lines;
  if (lines.length === 1 && first !== undefined) return first;
  const parts: Buffer[] = [];
  for (const line of lines) {
    if (parts.length > 0) parts.push(BETWEEN_LINES);
    parts.push(line);
  }
  return Buffer.concat(parts);
}

/** How many lines end in these bytes. */
export function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
