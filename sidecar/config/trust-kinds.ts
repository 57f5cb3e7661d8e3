/** What a program's kind means for an entry that names its digest. */
import type { RuntimeKind } from "../../policy/mod.ts";

/**
 * - `own`: its digest says what it does
 * - `compiled`: a runtime with one program inside, which runs other code when its environment says so; its digest says
 *   what it does once somebody tested that it does not
 * - `given`: it runs whatever it is given, so its digest says nothing
 * - `relay`: it passes on what somebody else says, so nothing measured of it counts
 */
export type CodeOf = "own" | "compiled" | "given" | "relay";

const CODE: Readonly<Record<RuntimeKind, CodeOf>> = Object.assign(
  Object.create(null),
  {
    "native": "own",
    "bun-compiled": "compiled",
    "deno-compiled": "compiled",
    "node-compiled": "compiled",
    "node": "given",
    "bun": "given",
    "deno": "given",
    "electron": "given",
    "python": "given",
    "ruby": "given",
    "perl": "given",
    "java": "given",
    "shell": "given",
    "busybox": "given",
    "loader": "given",
    "emulator": "given",
    "unknown-runtime": "given",
    "relay": "relay",
  } satisfies Record<RuntimeKind, CodeOf>,
);

/** Whose code a program of this kind runs. */
export function codeOf(kind: RuntimeKind): CodeOf {
  return CODE[kind];
}

/** Whether a text is one of the kinds: for what comes out of a file. */
export function isRuntimeKind(text: string): text is RuntimeKind {
  return text in CODE;
}
