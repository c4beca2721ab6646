import type { Proof } from '../domain/verdict.js';
import type { Chain } from './chains.js';
import { BEFORE, type Incarnation } from './incarnation.js';

/** Which proof an answer about custody rests on (docs/internals/correlation.md). */

export function beginsBefore(incarnation: Incarnation): boolean {
  return incarnation.opened === BEFORE && incarnation.owns === BEFORE && !incarnation.ownsEarlier;
}

export function incomingProof(incarnation: Incarnation): Proof {
  const failed = incarnation.owns === null && (incarnation.startFailed || incarnation.ended !== null);
  return failed ? 'P1-failed-incoming' : 'P3-before-takeover';
}

export function chainProof(part: Chain): Proof {
  const only = part.length === 1 ? (part[0] as Incarnation) : null;
  if (!only) return 'P8-chain-of-owners';
  return beginsBefore(only) ? 'P6-steady-owner' : 'P5-peer-resumed';
}
