import { printable } from '../domain/byte-text.js';
import { formatOwner } from '../domain/label.js';
import type { GuestRef } from '../domain/report.js';
import { type AskedLabel, asksForOwner } from './need.js';

/** How findings and timelines name things. All of it is safe to print. */

const GUEST_COLUMNS_MAX = 80;
const CONTEXT_COLUMNS_MAX = 120;

export function guestText(guest: GuestRef): string {
  return printable(guest.name ?? guest.uuid ?? 'a guest', GUEST_COLUMNS_MAX);
}

/** The label that was asked for, `otherwise` when the record does not state it. */
export function askedText(asked: AskedLabel, otherwise: string): string {
  if (asksForOwner(asked)) return formatOwner({ uid: asked.asked_uid, gid: asked.asked_gid });
  return asked.asked_context === null ? otherwise : contextText(asked.asked_context);
}

export function contextText(context: string): string {
  return printable(context, CONTEXT_COLUMNS_MAX);
}
