import type { Buffer } from "node:buffer";
import { IdFinder } from "../relay/id-finder.ts";
import { LineSplitter } from "../relay/line-splitter.ts";

export interface SplitLines {
  line(bytes: Buffer, start: number, end: number, begun: number): void;
  /** A line grew over the limit; `rpcId` is what could be read of its id, as JSON text. */
  tooLong(rpcId: string): void;
}

/** A splitter that reads the id of what it does not keep, so that whoever waits can be told. */
export function splitLines(limit: number, to: SplitLines): LineSplitter {
  let finder = new IdFinder();
  return new LineSplitter(limit, {
    line: (bytes, start, end, begun) => to.line(bytes, start, end, begun),
    tooLong: (chunks) => {
      finder = new IdFinder();
      for (const chunk of chunks) finder.push(chunk);
    },
    dropped: (bytes, last) => {
      finder.push(bytes);
      if (last) to.tooLong(finder.answerId());
    },
  });
}
