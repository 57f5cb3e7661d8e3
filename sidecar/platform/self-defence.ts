/**
 * Refuses to start in a runtime that was told to load other code than ours, or to let others look inside.
 *
 * Trusts: nothing yet; it must run before a secret is read. Defends against: settings that came along by accident or by
 * configuration (an editor's debugger in NODE_OPTIONS, a client's `env`). Leaves to others: whoever can choose our
 * executable or preload a library; their code ran before this line (SECURITY.md).
 */
import { GuardError } from "../model/errors.ts";

/** Options as node names them in cli.md, with what each does to us. */
const UNSAFE: ReadonlyMap<string, string> = new Map([
  ["--require", "loads code"],
  ["--import", "loads code"],
  ["--loader", "loads code"],
  ["--experimental-loader", "loads code"],
  ["--eval", "loads code"],
  ["--print", "loads code"],
  ["--interactive", "loads code"],
  ["--snapshot-blob", "loads code"],
  ["--openssl-config", "loads code"],
  // Files of settings: they may hold any of the others.
  ["--env-file", "reads options from a file"],
  ["--env-file-if-exists", "reads options from a file"],
  ["--experimental-config-file", "reads options from a file"],
  ["--experimental-default-config-file", "reads options from a file"],
  ["--config-file", "reads options from a file"],
  ["--heapsnapshot-signal", "writes our memory to a file"],
  ["--heapsnapshot-near-heap-limit", "writes our memory to a file"],
  ["--report-on-signal", "writes our environment to a file"],
  ["--security-revert", "brings back a known vulnerability"],
]);

/** `-r`, `-e`, `-p`, `-pe`, `-i`, also with their value in the same word. */
const UNSAFE_SHORT = /^-[repi]/;

/**
 * @param env Only `NODE_OPTIONS` is looked at.
 * @param execArgv The runtime's own options: `process.execArgv`.
 * @throws {GuardError} `ERR_CONFIG_INVALID` that names the option and where it came from.
 */
export function refuseUnsafeStart(
  env: Readonly<Record<string, string | undefined>>,
  execArgv: readonly string[],
): void {
  refuseWords(splitNodeOptions(env["NODE_OPTIONS"] ?? ""), "NODE_OPTIONS");
  refuseWords(execArgv, "the runtime's arguments");
}

/** The first unsafe option among these words, with what it does; undefined when there is none. */
export function unsafeOption(words: readonly string[]): { option: string; because: string } | undefined {
  for (const word of words) {
    const option = optionName(word);
    const because = reason(option);
    if (because !== undefined) return { option, because };
  }
  return undefined;
}

/**
 * Node splits at spaces, and knows double quotes with backslashes in them. This splits more often than node does, so
 * it can see an option that node does not, and never the other way round.
 */
export function splitNodeOptions(text: string): readonly string[] {
  return text.replaceAll(/["\\]/g, "").split(/\s+/).filter((word) => word !== "");
}

function refuseWords(words: readonly string[], where: string): void {
  const found = unsafeOption(words);
  if (found === undefined) return;
  throw new GuardError(
    "ERR_CONFIG_INVALID",
    `Cannot start: '${found.option}' in ${where} ${found.because}; start mcp-guard without it`,
  );
}

function optionName(word: string): string {
  if (!word.startsWith("--")) return word;
  // Node takes `--inspect_brk` for `--inspect-brk`.
  return (word.split("=", 1)[0] ?? word).replaceAll("_", "-").toLowerCase();
}

function reason(option: string): string | undefined {
  if (/^--(inspect|debug)(-|$)/.test(option)) return "opens an inspector";
  if (!option.startsWith("--") && UNSAFE_SHORT.test(option)) return "loads code";
  return UNSAFE.get(option);
}
