import { Buffer } from "node:buffer";
import { Slot } from "../../protocol/keys.ts";
import { applyEdits } from "../../relay/edits.ts";
import { addOwnMeta } from "../../relay/own-meta.ts";
import type { StrictScanner } from "../../relay/strict-scanner.ts";
import type { PeerLine } from "../peer-line.ts";

const OPENING_BRACE = 0x7b;

/**
 * Writes into a request's `_meta` what the server is told of the caller; all else stays as it came.
 *
 * @param scanner Has scanned this very line.
 * @param told Members as JSON text, without braces. Undefined: the line itself is returned.
 * @throws {Error} Where nothing can be added: the server must not take the request for one of nobody's.
 */
export function tellServer(line: PeerLine, scanner: StrictScanner, told: string | undefined): PeerLine {
  if (told === undefined) return line;
  const { start, end, stale } = line;
  const bytes = line.bytes.subarray(start, end);
  const at = (slot: typeof Slot.params | typeof Slot.meta) =>
    scanner.has(slot) ? { start: scanner.start(slot) - start, end: scanner.end(slot) - start } : undefined;
  const params = at(Slot.params);
  const rewritten = params === undefined
    ? withParams(bytes, told)
    : addOwnMeta(bytes, params, at(Slot.meta), told);
  if (rewritten === undefined) {
    throw new Error("The server cannot be told of the caller: '_meta' is no object");
  }
  return { bytes: rewritten, start: 0, end: rewritten.length, stale };
}

/** A request without `params`. An envelope is never empty, so a comma follows. */
function withParams(bytes: Buffer, told: string): Buffer {
  const at = bytes.indexOf(OPENING_BRACE) + 1;
  return applyEdits(bytes, [{
    at: { start: at, end: at },
    text: Buffer.from(`"params":{"_meta":{${told}}},`),
  }]);
}
