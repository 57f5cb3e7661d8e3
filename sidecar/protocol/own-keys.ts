/**
 * Keys of `_meta` that are the guard's own: nobody else's word ever passes under them, and no look-alike of one that a
 * lax parser would take for it.
 */
import { foldKey } from "../../policy/match/fold.ts";

const OWN_PREFIX = "dev.mcp-guard/";
/** The session's token: from the guard to the client in the opening's result, and shown by the client with a request. */
export const TOKEN_KEY = `${OWN_PREFIX}token`;
/** The one-time secret: from the client, in the opening. */
export const BOOTSTRAP_KEY = `${OWN_PREFIX}bootstrap`;
/** Who asks: from the guard to the server. */
export const IDENTITY_KEY = `${OWN_PREFIX}identity`;

/** Whether a key is ours, or would be read as one. */
export function isOwnKey(key: string): boolean {
  return foldKey(key).startsWith(OWN_PREFIX);
}

const SLASH_AT = OWN_PREFIX.length - 1;
const SLASH = 0x2f;
const FIRST = OWN_PREFIX.charCodeAt(0);
const CASE_BIT = 0x20;

/** A cheap look at a key of ASCII without escapes: false only where it is none of ours. */
export function mayBeOwn(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start > SLASH_AT && bytes[start + SLASH_AT] === SLASH &&
    ((bytes[start] as number) | CASE_BIT) === FIRST;
}
