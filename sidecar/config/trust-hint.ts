import type { PeerEvidence } from "../model/evidence.ts";
import { codeOf } from "./trust-kinds.ts";

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
  const { sha256, runtime } = process.executable;
  if ("absent" in sha256 || "absent" in runtime) return undefined;
  const name = names.length === 1 ? names[0] : "NAME";
  const add = `To trust this program: mcp-guard trust add ${name} --pid ${process.pid}`;
  switch (codeOf(runtime.value)) {
    case "own":
      return `${add} (sha256 ${sha256.value})`;
    case "compiled":
      return `${add} --tested, after the test in 'mcp-guard trust --help' (sha256 ${sha256.value})`;
    case "given":
      return `To see an entry for what this ${runtime.value} runs: mcp-guard attest --pid ${process.pid} --as-policy`;
    case "relay":
      return undefined;
  }
}
