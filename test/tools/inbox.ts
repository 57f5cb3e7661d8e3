import { setTimeout as delay } from "node:timers/promises";

export type JsonRpc = Readonly<Record<string, unknown>>;

/** Splits what the guard writes into lines, and hands each message out once. */
export function openInbox(stdout: NodeJS.ReadableStream) {
  const lines: string[] = [];
  const unread: JsonRpc[] = [];
  let begun: Buffer[] = [];
  let ended = false;
  stdout.on("data", (chunk: Buffer) => {
    let rest = chunk;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      const line = Buffer.concat([...begun, rest.subarray(0, at)]).toString();
      begun = [];
      rest = rest.subarray(at + 1);
      lines.push(line);
      // A line that is no JSON is a defect of the guard, which must fail the test that waits for it.
      unread.push(parse(line));
    }
    begun.push(rest);
  });
  stdout.on("end", () => void (ended = true));
  return {
    lines,
    async receive(matches: (message: JsonRpc) => boolean, ms = 10_000): Promise<JsonRpc> {
      for (const limit = performance.now() + ms;; await delay(2)) {
        const over = ended; // read first: lines that come with the end still count
        const at = unread.findIndex(matches);
        if (at >= 0) return unread.splice(at, 1)[0] as JsonRpc;
        if (!over && performance.now() < limit) continue;
        const came = `unread: ${JSON.stringify(unread)}`;
        throw new Error(
          over ? `The guard ended before it came; ${came}` : `Nothing like it in ${ms} ms; ${came}`,
        );
      }
    },
  };
}

function parse(line: string): JsonRpc {
  try {
    return JSON.parse(line) as JsonRpc;
  } catch {
    return { notJson: line };
  }
}
