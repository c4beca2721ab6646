import { type ByteText, bytesOf, byteTextFrom } from '../../domain/byte-text.js';

/** The lines of a file, without line ends and without empty ones. */
export function linesOf(bytes: Buffer): ByteText[] {
  return byteTextFrom(bytes)
    .split('\n')
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
    .filter((line) => line !== '');
}

const OCTAL_ESCAPE = /\\([0-3][0-7]{2})/g;

/** `\040` stands for the byte 0o40, in mountinfo and in exports; several such bytes may make one character. */
export function unescapeOctal(text: ByteText): ByteText {
  if (!text.includes('\\')) return text;
  const latin1 = bytesOf(text).toString('latin1');
  const plain = latin1.replace(OCTAL_ESCAPE, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
  return byteTextFrom(Buffer.from(plain, 'latin1'));
}
