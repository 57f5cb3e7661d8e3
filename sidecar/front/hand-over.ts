/**
 * What `mcp-guard connect` and a guard say to each other, at a socket beside the guard's own.
 *
 * The shim sends {@linkcode HELLO} and its standard input and output along with it, once. Then it waits; the guard
 * speaks with the client by what it was given, and at the end sends one line: {@linkcode Farewell}.
 */

/** The socket at which this guard takes streams that are handed over. */
export function handOverPath(path: string): string {
  return `${path}.connect`;
}

/** With another number the two would not understand each other. */
export const HELLO = "mcp-guard connect 1\n";

/** How it ended. */
export interface Farewell {
  /** For the shim to exit with. */
  readonly exit: number;
  /** Why the client was not let in. */
  readonly message?: string;
}

const MAX_BYTES = 4096;

/** The guard's last line, as it comes in. */
export class FarewellReader {
  #text = "";

  push(chunk: Uint8Array): void {
    // What is longer is no farewell, and ends as none.
    if (this.#text.length < MAX_BYTES) this.#text += new TextDecoder().decode(chunk);
  }

  /** @returns Nothing when the guard ended without one: it was killed. */
  get farewell(): Farewell | undefined {
    const end = this.#text.indexOf("\n");
    try {
      const { exit, message } = JSON.parse(this.#text.slice(0, Math.max(0, end))) as Record<string, unknown>;
      if (typeof exit !== "number" || !Number.isInteger(exit) || exit < 0 || exit > 255) return undefined;
      return { exit, ...(typeof message === "string" ? { message } : {}) };
    } catch {
      return undefined;
    }
  }
}
