/** Keeps the lines that an official client reads, byte for byte, before any parser of its own sees them. */
import type { Buffer } from "node:buffer";
import type { ChildProcess } from "node:child_process";

/** What both SDKs' stdio transports have in common. Theirs says nothing of the bytes, so the process is asked. */
interface StdioTransport {
  start(): Promise<void>;
}

export interface Recording {
  /** Lines so far without their newlines, each byte a character, so that nothing is lost in decoding. */
  readonly lines: readonly string[];
  /** Waits for a line that holds the text, among those from `from` on. */
  lineWith(text: string, from?: number, ms?: number): Promise<string>;
}

/** Must be called before the client connects. */
export function record(transport: StdioTransport): Recording {
  const lines: string[] = [];
  const start = transport.start.bind(transport);
  let begun = "";
  transport.start = async () => {
    await start();
    // Nothing has been read yet: `start` settles in the turn in which the process was made.
    const child = (transport as unknown as { _process: ChildProcess })._process;
    child.stdout?.on("data", (chunk: Buffer) => {
      const parts = (begun + chunk.toString("latin1")).split("\n");
      begun = parts.pop() ?? "";
      lines.push(...parts);
    });
  };
  return {
    lines,
    async lineWith(text, from = 0, ms = 10_000) {
      for (const end = performance.now() + ms;; await new Promise((resolve) => setTimeout(resolve, 5))) {
        const found = lines.slice(from).find((line) => line.includes(text));
        if (found !== undefined) return found;
        if (performance.now() > end) {
          throw new Error(`No line with '${text}' in ${ms} ms; came: ${lines.slice(from).join("\n")}`);
        }
      }
    },
  };
}
