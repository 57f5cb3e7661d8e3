/**
 * Names of programs that are no identity, because they run or pass on what they are given.
 *
 * A name never raises trust and proves nothing; here it only keeps a policy from relying on what cannot hold.
 */
import type { RuntimeKind } from "../clients.ts";

const NAMES: Readonly<Partial<Record<RuntimeKind, string>>> = {
  node: "node nodejs",
  bun: "bun bunx",
  deno: "deno",
  electron: "electron",
  python: "python pypy",
  ruby: "ruby",
  perl: "perl",
  java: "java",
  shell: "sh bash dash zsh ksh mksh ash fish csh tcsh",
  busybox: "busybox toybox",
  relay:
    "nc ncat netcat nc.openbsd nc.traditional socat websocat telnet ssh env sudo su doas runuser setpriv " +
    "unshare nsenter chroot xargs timeout nohup nice",
};

const KINDS: ReadonlyMap<string, RuntimeKind> = new Map(
  Object.entries(NAMES).flatMap(([kind, names]) =>
    names.split(" ").map((name) => [name, kind as RuntimeKind])
  ),
);

/** Names to look for where one wants to know the digests of such programs. */
export const KNOWN_NAMES: readonly string[] = [...KINDS.keys(), "python3", "pypy3"];

/** What a program of this file name usually is, its version aside (`python3.12`); undefined: nothing in particular. */
export function kindOfName(name: string): RuntimeKind | undefined {
  if (/^ld(?:-linux|-musl|64)?[-.].*so/.test(name)) return "loader";
  if (name.startsWith("qemu-")) return "emulator";
  return KINDS.get(name) ?? KINDS.get(name.replace(/[-.]?[0-9][0-9.]*$/, ""));
}

/** Sub-commands by which a program that is an identity otherwise passes on what anybody says. */
const RELAYING: Readonly<Record<string, string>> = {
  claude: "mcp serve",
  codex: "stdio-to-uds",
};

/** The words to forbid for a program that goes by this name: of a trust file entry, or the end of a path. */
export function relayingCommand(name: string): string | undefined {
  const words = name.split("/").slice(-3).flatMap((part) => part.split(/[-._@]/));
  return words.map((word) => Object.hasOwn(RELAYING, word) ? RELAYING[word] : undefined).find((it) => it);
}
