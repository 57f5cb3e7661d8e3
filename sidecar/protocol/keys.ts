/**
 * The object keys of MCP that the guard reads, by the kind of object they stand in.
 *
 * A peer and a server may parse one line differently: the last of two equal keys wins in JavaScript, some Go parsers
 * matched keys without regard to case or cut them at a NUL (CVE-2026-27896, GHSA-q382-vc8q-7jhj). Hence no other key
 * of the same object may fold to one of these.
 */
import { foldKey } from "../../policy/match/fold.ts";

/** Kinds of object in which keys are ours to watch. `free` is any other object. */
export const Place = {
  free: 0,
  envelope: 1,
  params: 2,
  meta: 3,
  arguments: 4,
  ref: 5,
  result: 6,
  error: 7,
  /** What `subscriptions/listen` wants to hear of. */
  filter: 8,
} as const;
export type Place = (typeof Place)[keyof typeof Place];

/** A member whose value's position is remembered. Numbers, since they index typed arrays on the hot path. */
export const Slot = {
  none: 0,
  jsonrpc: 1,
  id: 2,
  method: 3,
  params: 4,
  result: 5,
  error: 6,
  name: 7,
  arguments: 8,
  uri: 9,
  meta: 10,
  cursor: 11,
  ref: 12,
  requestId: 13,
  protocolVersion: 14,
  capabilities: 15,
  clientInfo: 16,
  inputResponses: 17,
  notifications: 18,
  metaProtocolVersion: 19,
  metaClientCapabilities: 20,
  metaClientInfo: 21,
  refName: 22,
  refUri: 23,
  resultType: 24,
  inputRequests: 25,
  isError: 26,
  errorCode: 27,
  errorData: 28,
  serverInfo: 29,
  supportedVersions: 30,
  task: 31,
  taskId: 32,
  level: 33,
  progressToken: 34,
  metaProgressToken: 35,
} as const;
export type Slot = (typeof Slot)[keyof typeof Slot];
export const SLOT_COUNT = 36;

type KeyTable = Readonly<Record<string, Slot>>;

/** Keys that are watched without being read have the slot `none`. */
const KEYS: Readonly<Record<Exclude<Place, typeof Place.free | typeof Place.arguments>, KeyTable>> = {
  [Place.envelope]: {
    jsonrpc: Slot.jsonrpc,
    id: Slot.id,
    method: Slot.method,
    params: Slot.params,
    result: Slot.result,
    error: Slot.error,
  },
  [Place.params]: {
    name: Slot.name,
    arguments: Slot.arguments,
    uri: Slot.uri,
    _meta: Slot.meta,
    cursor: Slot.cursor,
    ref: Slot.ref,
    requestId: Slot.requestId,
    protocolVersion: Slot.protocolVersion,
    capabilities: Slot.capabilities,
    clientInfo: Slot.clientInfo,
    inputResponses: Slot.inputResponses,
    notifications: Slot.notifications,
    requestState: Slot.none,
    argument: Slot.none,
    context: Slot.none,
    task: Slot.task,
    taskId: Slot.taskId,
    level: Slot.level,
    reason: Slot.none,
    progressToken: Slot.progressToken,
    progress: Slot.none,
    total: Slot.none,
    message: Slot.none,
    // Of `notifications/tasks`: requests of the server hide there as they do in results.
    inputRequests: Slot.inputRequests,
  },
  [Place.meta]: {
    progressToken: Slot.metaProgressToken,
    "io.modelcontextprotocol/protocolVersion": Slot.metaProtocolVersion,
    "io.modelcontextprotocol/clientCapabilities": Slot.metaClientCapabilities,
    "io.modelcontextprotocol/clientInfo": Slot.metaClientInfo,
    "io.modelcontextprotocol/logLevel": Slot.none,
    "io.modelcontextprotocol/subscriptionId": Slot.none,
    "io.modelcontextprotocol/related-task": Slot.none,
  },
  [Place.ref]: { type: Slot.none, name: Slot.refName, uri: Slot.refUri },
  [Place.result]: {
    resultType: Slot.resultType,
    inputRequests: Slot.inputRequests,
    isError: Slot.isError,
    protocolVersion: Slot.protocolVersion,
    serverInfo: Slot.serverInfo,
    supportedVersions: Slot.supportedVersions,
    capabilities: Slot.none,
    _meta: Slot.meta,
    tools: Slot.none,
    prompts: Slot.none,
    resources: Slot.none,
    resourceTemplates: Slot.none,
    nextCursor: Slot.none,
    ttlMs: Slot.none,
    cacheScope: Slot.none,
  },
  [Place.filter]: {
    resourceSubscriptions: Slot.none,
    toolsListChanged: Slot.none,
    promptsListChanged: Slot.none,
    resourcesListChanged: Slot.none,
    taskIds: Slot.none,
  },
  [Place.error]: { code: Slot.errorCode, message: Slot.none, data: Slot.errorData },
};

/** The kind of object that is the value of a slot; every other slot's value is `free`. */
const PLACE_OF_SLOT = new Uint8Array(SLOT_COUNT);
PLACE_OF_SLOT[Slot.params] = Place.params;
PLACE_OF_SLOT[Slot.result] = Place.result;
PLACE_OF_SLOT[Slot.error] = Place.error;
PLACE_OF_SLOT[Slot.meta] = Place.meta;
PLACE_OF_SLOT[Slot.arguments] = Place.arguments;
PLACE_OF_SLOT[Slot.ref] = Place.ref;
PLACE_OF_SLOT[Slot.notifications] = Place.filter;

export function placeOfSlot(slot: number): Place {
  return PLACE_OF_SLOT[slot] as Place;
}

/**
 * FNV-1a over a key, computed from its bytes while the scanner walks it. Where look-alikes count it is taken of the
 * folded key, by setting `CASE_BIT`: that makes equal more than the letters (`_` and DEL), so keys of one hash are
 * compared before anything is said of them.
 */
export const HASH_START = 0x811c9dc5 | 0;
export const HASH_PRIME = 0x01000193;
export const CASE_BIT = 0x20;

/** The same hash of a key as text; with `CASE_BIT`, of one that was folded. */
export function hashText(text: string, caseBit: 0 | typeof CASE_BIT): number {
  let hash = HASH_START;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ (text.charCodeAt(i) | caseBit), HASH_PRIME);
  return hash;
}

/** What `watchedSlot` says of a key that is not watched. */
export const NOT_WATCHED = -1;
/** What `watchedSlot` says of a key that some lax parser would take for a watched one. */
export const LOOK_ALIKE = -2;

/** Watched keys as bytes, in the order of their index. */
const BYTES: Uint8Array[] = [];
const SLOTS: Slot[] = [];
const HASHES: number[] = [];

/** Entries of one place's table; a power of two, more than twice the keys of the largest place. */
const TABLE = 64;
const PLACES = 1 + Math.max(...Object.values(Place));
/** Open addressing: index of the key, or -1. One row per place. */
const INDEX = new Int16Array(PLACES * TABLE).fill(-1);

for (const [place, table] of Object.entries(KEYS)) {
  for (const [key, slot] of Object.entries(table)) addKey(Number(place), key, slot);
}

function addKey(place: number, key: string, slot: Slot): void {
  const hash = hashText(foldKey(key), CASE_BIT);
  let at = hash & (TABLE - 1);
  for (; INDEX[place * TABLE + at] !== -1; at = (at + 1) & (TABLE - 1)) {
    if (HASHES[INDEX[place * TABLE + at] as number] === hash) {
      throw new Error(`Two watched keys share a hash: '${key}'`);
    }
  }
  INDEX[place * TABLE + at] = BYTES.length;
  BYTES.push(new TextEncoder().encode(key));
  SLOTS.push(slot);
  HASHES.push(hash);
}

/**
 * @param hash Of the key, which is ASCII and stands in `bytes[start..end)` without escapes.
 * @returns The slot of the key if it is watched in this place, else `NOT_WATCHED` or `LOOK_ALIKE`.
 */
export function watchedSlot(
  place: Place,
  hash: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const index = find(place, hash);
  if (index < 0) return NOT_WATCHED;
  const key = BYTES[index] as Uint8Array;
  if (key.length !== end - start) return NOT_WATCHED;
  let alike: number = SLOTS[index] as Slot;
  for (let i = 0; i < key.length; i++) {
    if (key[i] === bytes[start + i]) continue;
    if (!sameLetter(key[i] as number, bytes[start + i] as number)) return NOT_WATCHED;
    alike = LOOK_ALIKE;
  }
  return alike;
}

function find(place: Place, hash: number): number {
  const row = place * TABLE;
  for (let at = hash & (TABLE - 1);; at = (at + 1) & (TABLE - 1)) {
    const index = INDEX[row + at] as number;
    if (index < 0 || HASHES[index] === hash) return index;
  }
}

/** Whether two different ASCII bytes are one letter in two cases. */
export function sameLetter(a: number, b: number): boolean {
  const lower = a | CASE_BIT;
  return lower === (b | CASE_BIT) && lower >= 0x61 && lower <= 0x7a;
}

const FOLDED: readonly ReadonlySet<string>[] = Array.from(
  { length: PLACES },
  (_, place) => new Set(Object.keys((KEYS as Record<number, KeyTable>)[place] ?? {}).map(foldKey)),
);

/** Whether a key, folded, is what a watched one folds to. */
export function foldsToWatched(place: Place, folded: string): boolean {
  return FOLDED[place]?.has(folded) === true;
}
