/**
 * Takes the guard's own keys out of a `_meta`, or puts some in; every other byte stays as it came.
 *
 * For lines that were scanned before. A client that could write them would speak to the server in our name, and a server
 * to the client.
 */
import { Buffer } from "node:buffer";
import { BOOTSTRAP_KEY, isOwnKey, TOKEN_KEY } from "../protocol/own-keys.ts";
import { applyEdits, type Edit } from "./edits.ts";
import { decodeString } from "./json-lexer.ts";
import { type Member, membersOf, type Span } from "./json-members.ts";

/** What stood under our keys; anything but a text under an exact key is taken away unread. */
export interface OwnMeta {
  readonly token: string | undefined;
  readonly bootstrap: string | undefined;
  /** The line without them. */
  readonly line: Buffer;
}

/** @param meta Where the value of `_meta` stands in `line`. @returns Undefined where it is no object, or holds none. */
export function takeOwnMeta(line: Buffer, meta: Span): OwnMeta | undefined {
  const members = membersOf(line, meta.start, meta.end);
  if (members === undefined || !members.some(({ key }) => isOwnKey(key))) return undefined;
  return {
    token: textOf(line, members, TOKEN_KEY),
    bootstrap: textOf(line, members, BOOTSTRAP_KEY),
    line: applyEdits(line, removals(members)),
  };
}

function textOf(line: Buffer, members: readonly Member[], key: string): string | undefined {
  const value = members.find((member) => member.key === key)?.value;
  if (value === undefined || line[value.start] !== QUOTE) return undefined;
  return decodeString(line, value.start + 1, value.end - 1);
}

const QUOTE = 0x22;
const NOTHING = Buffer.alloc(0);

/** Each with the comma before it; where nothing is kept before it, with the one behind. */
function removals(members: readonly Member[]): Edit[] {
  const edits: Edit[] = [];
  let kept = false;
  members.forEach((member, i) => {
    if (!isOwnKey(member.key)) kept = true;
    else if (kept) edits.push({ at: { start: members[i - 1]!.end, end: member.end }, text: NOTHING });
    else edits.push({ at: { start: member.start, end: members[i + 1]?.start ?? member.end }, text: NOTHING });
  });
  return edits;
}

/**
 * Adds members to the `_meta` of an object, and makes one where there is none. Whatever stood there under our keys goes.
 *
 * @param holder Where the object stands that has or gets the `_meta`: `params`, or `result`.
 * @param meta Where its `_meta` stands.
 * @param text The members as JSON text, without braces.
 * @returns Undefined where `holder` or `meta` is no object: nothing can be added then.
 */
export function addOwnMeta(
  line: Buffer,
  holder: Span,
  meta: Span | undefined,
  text: string,
): Buffer | undefined {
  if (meta === undefined) {
    const members = membersOf(line, holder.start, holder.end);
    if (members === undefined) return undefined;
    const comma = members.length > 0 ? "," : "";
    return insert(line, holder.start + 1, `"_meta":{${text}}${comma}`);
  }
  const members = membersOf(line, meta.start, meta.end);
  if (members === undefined) return undefined;
  const comma = members.some(({ key }) => !isOwnKey(key)) ? "," : "";
  // First where it begins: taking others out behind it does not move that.
  const cleared = applyEdits(line, removals(members));
  return insert(cleared, meta.start + 1, `${text}${comma}`);
}

function insert(line: Buffer, at: number, text: string): Buffer {
  return applyEdits(line, [{ at: { start: at, end: at }, text: Buffer.from(text, "utf8") }]);
}
