/** What a kind of program says of the digest of its file. */
import type { RuntimeKind } from "../clients.ts";

/**
 * - `itself`: its digest says what it does
 * - `compiled`: a runtime with one program inside, which its environment may turn back into a plain runtime
 * - `script`: it does what its script says; its own digest says nothing
 * - `anything`: it passes on, or runs, whatever it is given, and names no script: never an identity
 */
export type Meaning = "itself" | "compiled" | "script" | "anything";

const MEANINGS: Readonly<Record<RuntimeKind, Meaning>> = {
  "native": "itself",
  "bun-compiled": "compiled",
  "deno-compiled": "compiled",
  "node-compiled": "compiled",
  "node": "script",
  "bun": "script",
  "deno": "script",
  "electron": "script",
  "python": "script",
  "ruby": "script",
  "perl": "script",
  "java": "script",
  "shell": "script",
  "busybox": "script",
  "unknown-runtime": "script",
  "loader": "anything",
  "emulator": "anything",
  "relay": "anything",
};

export const RUNTIME_KINDS: readonly RuntimeKind[] = Object.keys(MEANINGS) as RuntimeKind[];

/** A kind that we do not know could be anything. */
export function meaningOf(kind: RuntimeKind): Meaning {
  return Object.hasOwn(MEANINGS, kind) ? MEANINGS[kind] : "anything";
}
