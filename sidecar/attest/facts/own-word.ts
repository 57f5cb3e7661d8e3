import {
  absent,
  type Fact,
  type ProcessEvidence,
  type RuntimeKind,
  type WantedFact,
} from "../../model/evidence.ts";
import type { Digests } from "../../platform/digests.ts";
import type { ProcessHandle } from "../../platform/platform.ts";
import { readLoaders } from "./loaders.ts";
import { readMappings } from "./mappings.ts";
import { readWords } from "./read-words.ts";
import { readScript } from "./script.ts";

/** What {@linkcode gatherOwnWord} needs to know. */
export interface OwnWordOptions {
  /** What the process runs. */
  readonly runtime: Fact<RuntimeKind>;
  readonly digests: Digests;
  /** What nobody wants is not read. */
  readonly wants: ReadonlySet<WantedFact>;
}

const NOT_GATHERED = absent("not-gathered");

/** Step 9: what the process itself could have arranged. Heuristics all of them; they lower what it is taken for. */
export async function gatherOwnWord(
  handle: ProcessHandle,
  { runtime, digests, wants }: OwnWordOptions,
): Promise<Pick<ProcessEvidence, "script" | "argv" | "loaders" | "mappings">> {
  const argv = wants.has("argv") || wants.has("script") ? readWords(handle, "cmdline") : NOT_GATHERED;
  return {
    argv: wants.has("argv") ? argv : NOT_GATHERED,
    loaders: wants.has("loaders") ? readLoaders(handle, runtime) : NOT_GATHERED,
    mappings: wants.has("mappings") ? readMappings(handle) : NOT_GATHERED,
    script: wants.has("script")
      ? await readScript(handle, runtime, argv, digests)
      : { path: NOT_GATHERED, sha256: NOT_GATHERED },
  };
}
