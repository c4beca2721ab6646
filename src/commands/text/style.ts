import { inspect } from 'node:util';
import type { Io } from '../io.js';

/** Colours by meaning. Where colours are off, every style is the plain text. */
export interface Style {
  title(text: string): string;
  alarm(text: string): string;
  caution(text: string): string;
  good(text: string): string;
  command(text: string): string;
  faint(text: string): string;
}

/** Colours only on a terminal, and never against NO_COLOR (https://no-color.org) or TERM=dumb. */
export function styleFor({ out, env }: Pick<Io, 'out' | 'env'>): Style {
  const wanted = out.isTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  const styled = (format: keyof typeof inspect.colors) => {
    const [begin, end] = inspect.colors[format] ?? [0, 0];
    return (text: string) => (wanted && text !== '' ? `\x1b[${begin}m${text}\x1b[${end}m` : text);
  };
  return {
    title: styled('bold'),
    alarm: styled('red'),
    caution: styled('yellow'),
    good: styled('green'),
    command: styled('cyan'),
    faint: styled('dim'),
  };
}
