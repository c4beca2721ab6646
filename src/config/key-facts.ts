import { z } from 'zod';

/** What the schema says about a key beside its form and its default. */
export interface KeyFacts {
  about: string;
  /** does a running process take a new value over on SIGHUP, or only when it starts */
  reload: 'applied' | 'restart';
  /** how the reference writes a default that depends on the host */
  defaultText?: string;
}

export const KEY_FACTS = z.registry<KeyFacts>();
