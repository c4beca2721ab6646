import { isIP } from 'node:net';
import { posix } from 'node:path';
import { z } from 'zod';
import { Secret } from './secret.js';

/** What values look like. The description of each is what messages say was expected, and what the reference says. */

const PATH_CHARACTERS_MAX = 4095;
const PATHS_MAX = 256;

export function name() {
  return z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/)
    .describe('name of letters, digits, `.`, `_` and `-`');
}

export function absolutePath() {
  return z
    .string()
    .max(PATH_CHARACTERS_MAX)
    .regex(/^\/\P{Cc}*$/u)
    .overwrite(withoutDetours)
    .describe('absolute path');
}

export function absolutePathOrStandardInput() {
  return z
    .string()
    .max(PATH_CHARACTERS_MAX)
    .regex(/^(?:-|\/\P{Cc}*)$/u)
    .overwrite((path) => (path === '-' ? path : withoutDetours(path)))
    .describe('absolute path, or `-`');
}

export function absolutePaths() {
  return z.array(absolutePath()).max(PATHS_MAX).describe(`list of absolute paths, at most ${PATHS_MAX}`);
}

/** `/a//b/../c/` is `/a/c`: paths are compared as text later on. */
function withoutDetours(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

export function wholeNumber(min: number, max: number) {
  return z.int().min(min).max(max).describe(`whole number from ${min} to ${max}`);
}

export function oneOf<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words).describe(words.map((word) => `\`${word}\``).join(' or '));
}

/** The word that chooses between the forms of a section; the first of `words` is the default. */
export function kind<const T extends string>(word: T, words: readonly string[]) {
  return z.literal(word).describe(words.map((each) => `\`${each}\``).join(' or '));
}

export function yesOrNo() {
  return z.boolean().describe('`true` or `false`');
}

export function libvirtUri() {
  return z
    .string()
    .max(1024)
    .regex(/^[a-z][a-z0-9+]*:\/\/[!-~]*$/)
    .describe('libvirt connection URI');
}

export function httpUrl() {
  return z
    .string()
    .max(1024)
    .refine(isPlainHttpUrl)
    .describe('http or https URL without user, password, query');
}

function isPlainHttpUrl(text: string): boolean {
  if (!URL.canParse(text) || /[?#]/.test(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

const HOST_AND_PORT = String.raw`(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}`;
const HOSTS_AND_PORTS = new RegExp(`^${HOST_AND_PORT}(?:, *${HOST_AND_PORT})*$`);

/** One text, since `:` stands between the items of a list in the environment. */
export function hostsAndPorts() {
  return z
    .string()
    .max(4096)
    .regex(HOSTS_AND_PORTS)
    .describe('text `host:port`, or several with `,` between them');
}

export function word() {
  return z
    .string()
    .regex(/^[!-~]{1,128}$/)
    .describe('text of 1 to 128 visible ASCII characters');
}

export function ipAddress() {
  return z
    .string()
    .refine((text) => isIP(text) !== 0)
    .describe('IPv4 or IPv6 address');
}

export function secret() {
  return z.instanceof(Secret).describe('text');
}
