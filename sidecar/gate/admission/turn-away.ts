/** Tells a peer that it is not let in, so that its user sees a reason instead of a dead server. */
import { Buffer } from "node:buffer";
import type { GuardErrorCode } from "../../model/errors.ts";
import type { PeerStream } from "../../platform/platform.ts";
import { IdFinder } from "../../relay/id-finder.ts";
import { errorLine, RPC_CODES, withId } from "../refusal.ts";

/** A client sends its first request at once; whoever does not is told nothing. */
const FIRST_REQUEST_MS = 1000;
const LAST_WORDS_MS = 300;
/** Of a first line that is longer, no more is read. */
const MAX_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * Answers the peer's first request with an error, then closes. Nothing it sends is judged or goes anywhere; the id is
 * all that is looked for.
 *
 * @param refusal Where the audit log says why.
 */
export function turnAway(
  stream: PeerStream,
  { code, refusal }: { readonly code: GuardErrorCode; readonly refusal: string | undefined },
): Promise<void> {
  const sentence = refusal === undefined ? "Not admitted" : withId("Not admitted", refusal);
  const finder = new IdFinder();
  let bytes = 0;
  return new Promise((resolve) => {
    let over = false;
    const close = (): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      stream.end();
      // The answer is on its way: a moment for it, none for a peer that does not read.
      setTimeout(() => {
        stream.destroy();
        resolve();
      }, stream.buffered > 0 ? LAST_WORDS_MS : 0);
    };
    const answer = (): void => {
      if (!over) stream.write(Buffer.from(`${errorLine(finder.answerId(), RPC_CODES[code], sentence)}\n`));
      close();
    };
    const timer = setTimeout(close, FIRST_REQUEST_MS);
    stream.start({
      data(chunk) {
        if (over) return;
        const newline = chunk.indexOf(NEWLINE);
        finder.push(newline < 0 ? chunk : chunk.subarray(0, newline));
        bytes += chunk.length;
        if (newline >= 0 || bytes > MAX_BYTES) answer();
      },
      end: close,
      error: close,
      drain: () => {},
    });
  });
}
