/**
 * The object keys of MCP that the guard reads, by the kind of object they stand in.
 *
 * A peer and a server may parse one line differently: the last of two equal keys wins in JavaScript, some Go parsers
 * matched keys without regard to case or cut them at a NUL (CVE-2026-27896, GHSA-q382-vc8q-7jhj). Hence no other key
 * of the same object may fold to one of these.
 */

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
} as const;
export type Slot = (typeof Slot)[keyof typeof Slot];
export const SLOT_COUNT = 31;

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
    task: Slot.none,
    taskId: Slot.none,
    level: Slot.none,
    reason: Slot.none,
    progressToken: Slot.none,
    progress: Slot.none,
    total: Slot.none,
    message: Slot.none,
  },
  [Place.meta]: {
    progressToken: Slot.none,
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
    _meta: Slot.none,
    tools: Slot.none,
    prompts: Slot.none,
    resources: Slot.none,
    resourceTemplates: Slot.none,
    nextCursor: Slot.none,
    ttlMs: Slot.none,
    cacheScope: Slot.none,
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

export function placeOfSlot(slot: number): Place {
  return PLACE_OF_SLOT[slot] as Place;
}

/** FNV-1a over bytes, as the scanner computes it while it walks a key. */
export const HASH_START = 0x811c9dc5 | 0;
export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

interface WatchedKey {
  readonly bytes: Uint8Array;
  readonly slot: Slot;
}

const BY_HASH: readonly ReadonlyMap<number, WatchedKey>[] = Array.from({ length: 8 }, (_, place) => {
  const table = new Map<number, WatchedKey>();
  for (const [key, slot] of Object.entries((KEYS as Record<number, KeyTable>)[place] ?? {})) {
    const bytes = new TextEncoder().encode(key);
    const hash = bytes.reduce(hashByte, HASH_START);
    if (table.has(hash)) throw new Error(`Two watched keys share a hash: '${key}'`);
    table.set(hash, { bytes, slot });
  }
  return table;
});

const FOLDED: readonly ReadonlySet<string>[] = Array.from(
  { length: 8 },
  (_, place) => new Set(Object.keys((KEYS as Record<number, KeyTable>)[place] ?? {}).map(foldKey)),
);

/** @returns The slot of a key that is watched in this place, or -1 when it is not watched. */
export function watchedSlot(place: Place, hash: number, bytes: Uint8Array, start: number, end: number): number {
  const found = BY_HASH[place]?.get(hash);
  if (found === undefined || found.bytes.length !== end - start) return -1;
  for (let i = 0; i < found.bytes.length; i++) if (found.bytes[i] !== bytes[start + i]) return -1;
  return found.slot;
}

/** Whether some lax parser would take this key, which is not a watched one, for one that is. */
export function foldsToWatched(place: Place, folded: string): boolean {
  return FOLDED[place]?.has(folded) === true;
}

/**
 * What the laxest parser we know makes of a key: cut at a NUL, and case removed as Unicode's simple folding does it
 * (`ſ` is `s`, the Kelvin sign is `k`).
 */
export function foldKey(key: string): string {
  const nul = key.indexOf("\0");
  return (nul < 0 ? key : key.slice(0, nul)).toUpperCase().toLowerCase();
}
