/** Which variables of a process's environment make its kind of program load other code. */
import { absent, type Fact, isKnown, known, type RuntimeKind } from "../../model/evidence.ts";
import type { ProcessHandle } from "../../platform/platform.ts";
import { readWords } from "./read-words.ts";

/** For everything that the dynamic linker starts (ld.so(8)). */
const LINKER = ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "GCONV_PATH", "GLIBC_TUNABLES"];

const NODE = ["NODE_OPTIONS", "NODE_PATH", "NODE_REPL_EXTERNAL_MODULE", "NODE_COMPILE_CACHE"];
const BUN = ["BUN_BE_BUN", "BUN_OPTIONS", "BUN_INSPECT", "BUN_INSPECT_PRELOAD", "NODE_PATH"];
const DENO = ["DENO_COMPAT", "DENO_CONFIG", "DENO_DIR", "DENO_UNSTABLE_BARE_NODE_BUILTINS"];
const PYTHON = ["PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPLATLIBDIR"];
const SHELL = ["BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "ZDOTDIR", "PS4"];

const OWN: Readonly<Partial<Record<RuntimeKind, readonly string[]>>> = {
  "node": NODE,
  "node-compiled": NODE,
  "electron": [...NODE, "ELECTRON_RUN_AS_NODE"],
  "bun": BUN,
  "bun-compiled": BUN,
  "deno": DENO,
  "deno-compiled": DENO,
  "python": PYTHON,
  "ruby": ["RUBYOPT", "RUBYLIB", "GEM_PATH", "GEM_HOME", "BUNDLE_GEMFILE"],
  "perl": ["PERL5OPT", "PERL5LIB", "PERLLIB", "PERL5DB"],
  "java": ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"],
  "shell": SHELL,
  "busybox": SHELL,
};
const ALL: readonly string[] = [...new Set(Object.values(OWN).flatMap((names) => names ?? []))];
/** Functions that bash takes from its environment. */
const BASH_FUNCTION = "BASH_FUNC_";

/**
 * Their names, sorted, each once; a variable counts also when it is empty.
 *
 * Does not show that no code was loaded: whatever was may have cleaned up behind itself.
 *
 * @param kind What the process runs. A kind that nobody could tell, or that has no list, may obey any of them.
 */
export function readLoaders(handle: ProcessHandle, kind: Fact<RuntimeKind>): Fact<readonly string[]> {
  const environment = readWords(handle, "environ");
  if (!isKnown(environment)) return absent(environment.absent);
  const wanted = new Set([...LINKER, ...namesFor(kind)]);
  const names = environment.value.map((entry) => entry.split("=", 1)[0]!);
  const found = names.filter((name) => wanted.has(name) || name.startsWith(BASH_FUNCTION));
  return known([...new Set(found)].sort(), "heuristic");
}

function namesFor(kind: Fact<RuntimeKind>): readonly string[] {
  if (isKnown(kind) && kind.value === "native") return [];
  return isKnown(kind) ? OWN[kind.value] ?? ALL : ALL;
}
