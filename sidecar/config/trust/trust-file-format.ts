/**
 * The trust file as text: `{"version": 1, "entries": {NAME: {"digests": [...]}}}`. Pure.
 *
 * Strict, since it decides over rights: an unknown key may be a restriction that we do not know, a wrong type one that
 * we would read as none.
 */
import { meaningOf, RUNTIME_KINDS } from "../../../policy/admit/runtime.ts";
import type { RuntimeKind, TrustedDigest } from "../../../policy/mod.ts";
import { parseStrictJson, quoted } from "../strict-json.ts";

/** An accepted digest, and how it came to be one. */
export interface TrustRecord extends TrustedDigest {
  /** Where the program was when it was accepted, for people only; absent when no path led to what ran. */
  readonly path?: string;
  /** What kind of program it is, told from its bytes. */
  readonly kind: RuntimeKind;
  /** When it was accepted, ISO 8601 in UTC. */
  readonly added: string;
  /** Whether a file was hashed, or the image of a running process. */
  readonly by: "path" | "pid";
  /** What whoever accepted it wanted to remember. */
  readonly note?: string;
}

/** What is trusted under each name. A map, since `constructor` is a name like any other. */
export type TrustEntries = ReadonlyMap<string, readonly TrustRecord[]>;

/**
 * Whether a text can be the name of an entry, as `trust:NAME` and the names of clients are spelled: it may become part
 * of a SPIFFE ID.
 */
export function isTrustName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name);
}

/** The longest note, in UTF-16 units. */
export const MAX_NOTE = 200;

/** @throws {SyntaxError} that says which value is wrong, without quoting it. */
export function parseTrust(text: string): TrustEntries {
  const { version, entries } = members(parseStrictJson(text), "the file", ["version", "entries"]);
  demand(version === 1, "'version' must be 1");
  const result = new Map<string, readonly TrustRecord[]>();
  for (const [name, entry] of Object.entries(object(entries, "'entries'"))) {
    demand(
      isTrustName(name),
      "a name in 'entries' must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with one of A-Z a-z 0-9",
    );
    const { digests } = members(entry, `'${name}'`, ["digests"]);
    demand(Array.isArray(digests), `the digests of '${name}' must be a list`);
    const records = (digests as unknown[]).map((each, i) =>
      parseRecord(each, `digest ${i + 1} of '${name}'`)
    );
    const distinct = new Set(records.map(({ sha256 }) => sha256));
    demand(distinct.size === records.length, `'${name}' has a digest twice`);
    result.set(name, records);
  }
  return result;
}

/** The text that `parseTrust` reads back. */
export function formatTrust(entries: TrustEntries): string {
  const plain: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, digests] of entries) plain[name] = { digests };
  return `${JSON.stringify({ version: 1, entries: plain }, null, 2)}\n`;
}

function parseRecord(value: unknown, what: string): TrustRecord {
  const required = ["sha256", "kind", "added", "by", "tested"];
  const { sha256, path, kind, added, by, tested, note } = members(value, what, required, ["path", "note"]);
  demand(isText(sha256) && /^[0-9a-f]{64}$/.test(sha256), `the 'sha256' of ${what} must be 64 hex digits`);
  demand(
    path === undefined || (isText(path) && path.startsWith("/")),
    `the 'path' of ${what} must be absolute`,
  );
  demand(isRuntimeKind(kind), `the 'kind' of ${what} is none that is known`);
  demand(isText(added) && isTime(added), `'added' of ${what} must be a time such as 2026-01-31T12:00:00Z`);
  demand(by === "path" || by === "pid", `'by' of ${what} must be "path" or "pid"`);
  demand(typeof tested === "boolean", `'tested' of ${what} must be true or false`);
  demand(
    !tested || meaningOf(kind) === "compiled",
    `'tested' of ${what} says nothing of a program of kind '${kind}'`,
  );
  demand(note === undefined || isText(note), `the 'note' of ${what} must be a text`);
  return {
    sha256,
    ...(path === undefined ? {} : { path }),
    kind,
    added,
    by,
    tested,
    ...(note === undefined ? {} : { note }),
  };
}

function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(text) && !Number.isNaN(Date.parse(text));
}

function members(
  value: unknown,
  what: string,
  required: readonly string[],
  optional: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  const record = object(value, what);
  for (const key of Object.keys(record)) {
    demand(required.includes(key) || optional.includes(key), `unknown key ${quoted(key)} in ${what}`);
  }
  for (const key of required) demand(Object.hasOwn(record, key), `'${key}' is missing in ${what}`);
  return record;
}

function object(value: unknown, what: string): Readonly<Record<string, unknown>> {
  demand(typeof value === "object" && value !== null && !Array.isArray(value), `${what} must be an object`);
  return value as Record<string, unknown>;
}

function isRuntimeKind(value: unknown): value is RuntimeKind {
  return RUNTIME_KINDS.includes(value as RuntimeKind);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new SyntaxError(otherwise);
}
