import { GuardError } from "../../model/errors.ts";
import { type Finding, finding } from "../../platform/examine/finding.ts";
import { defaultTrustFile, readTrustFile } from "./trust-file.ts";

/** What `doctor` says of the trust file. Unusable is no more than limited: it counts as empty, which admits nobody. */
export function examineTrustFile(file?: string): Finding {
  try {
    const at = file ?? defaultTrustFile();
    const entries = readTrustFile(at);
    const digests = [...entries.values()].reduce((sum, each) => sum + each.length, 0);
    const found = `${at}: ${digests} digests under ${entries.size} names`;
    const means = entries.size === 0
      ? "Nothing is trusted by name; 'mcp-guard trust add' begins it"
      : "A policy's trust:NAME accepts them; see 'mcp-guard trust list'";
    return finding("file.trust", "ok", found, means);
  } catch (error) {
    if (!(error instanceof GuardError)) throw error;
    return finding("file.trust", "limited", error.message, "It counts as empty: trust:NAME accepts nothing");
  }
}
