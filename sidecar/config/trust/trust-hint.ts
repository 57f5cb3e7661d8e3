import type { PeerEvidence } from "../../model/evidence.ts";
import { meaningOfProgram } from "./program-meaning.ts";

/**
 * What a person could run to let this program in, for stderr and the log of whoever refused it. Pure.
 *
 * Never for the wire: an agent that reads it would run it. The command asks at the terminal either way.
 *
 * @param names Entries of the trust file that the policy refers to: with a single one the command is complete.
 * @returns undefined where nothing that could be measured would help, as with a relay.
 */
export function trustHint(
  evidence: Pick<PeerEvidence, "process">,
  names: readonly string[] = [],
): string | undefined {
  const { process } = evidence;
  if ("absent" in process) return undefined;
  const { sha256, runtime, path } = process.executable;
  if ("absent" in sha256 || "absent" in runtime) return undefined;
  const name = names.length === 1 ? names[0] : "NAME";
  const add = `To trust this program: mcp-guard trust add ${name} --pid ${process.pid}`;
  const { kind, meaning } = meaningOfProgram(runtime.value, "value" in path ? path.value : undefined);
  switch (meaning) {
    case "itself":
      return `${add} (sha256 ${sha256.value})`;
    case "compiled":
      return `${add} --tested, after the test in 'mcp-guard trust --help' (sha256 ${sha256.value})`;
    case "script":
      return `To see an entry for what this ${kind} runs: mcp-guard attest --pid ${process.pid} --as-policy`;
    case "anything":
      return undefined;
  }
}
