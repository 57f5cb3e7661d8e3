import type { RuntimeKind } from "../../model/evidence.ts";

/** Every kind, so that a word from a file can be told to be one. */
const KINDS: Readonly<Record<RuntimeKind, true>> = {
  "native": true,
  "bun-compiled": true,
  "deno-compiled": true,
  "node-compiled": true,
  "node": true,
  "bun": true,
  "deno": true,
  "electron": true,
  "python": true,
  "ruby": true,
  "perl": true,
  "java": true,
  "shell": true,
  "busybox": true,
  "loader": true,
  "emulator": true,
  "relay": true,
  "unknown-runtime": true,
};

export function isRuntimeKind(word: string): word is RuntimeKind {
  return Object.hasOwn(KINDS, word);
}
