/**
 * The messages that are sent. Calls have ids of seven digits in one place, so that one line serves for all of them and
 * every answer to it has one length.
 */
import { Buffer } from "node:buffer";

const START = '{"jsonrpc":"2.0","id":';
const ID_DIGITS = 7;
const FIRST_ID = 1_000_000;
/** Ids go round before they need an eighth digit; no more than a few hundred are ever in flight. */
const IDS = 9 * FIRST_ID;

/** One call, to be sent again and again under another id. */
export class CallTemplate {
  readonly #line: Buffer;
  #next = 0;

  /** @param method `tools/call`, or another with any `params`. */
  constructor(method: string, params: unknown) {
    const rest = JSON.stringify({ method, params }).slice(1);
    this.#line = Buffer.from(`${START}${"0".repeat(ID_DIGITS)},${rest}\n`);
  }

  get bytes(): number {
    return this.#line.length;
  }

  /** `count` calls in one buffer, each under a new id. */
  take(count: number): Buffer {
    const { length } = this.#line;
    const buffer = Buffer.allocUnsafe(count * length);
    for (let i = 0; i < count; i++) {
      this.#line.copy(buffer, i * length);
      this.#writeId(buffer, i * length + START.length);
    }
    return buffer;
  }

  #writeId(buffer: Buffer, at: number): void {
    let id = FIRST_ID + this.#next;
    this.#next = (this.#next + 1) % IDS;
    for (let digit = ID_DIGITS - 1; digit >= 0; digit--) {
      buffer[at + digit] = 0x30 + id % 10;
      id = Math.floor(id / 10);
    }
  }
}

/** A call of the tiny server's `echo`, padded to so many bytes. */
export function echoCall(path: string, bytes: number): CallTemplate {
  const params = (text: string) => ({ name: "echo", arguments: { path, text } });
  const bare = new CallTemplate("tools/call", params("")).bytes;
  if (bare > bytes) {
    throw new RangeError(`Cannot make a call of ${bytes} bytes: the path alone needs ${bare}`);
  }
  return new CallTemplate("tools/call", params(prose(bytes - bare)));
}

/** Text of so many bytes with a line break now and then, as files have. */
export function prose(bytes: number): string {
  // An escape is two bytes, so it must not be cut: the last line is of letters only.
  const line = `${"the quick brown fox ".repeat(4)}\n`;
  const lineBytes = line.length + 1;
  const lines = Math.floor(bytes / lineBytes);
  return line.repeat(lines) + "x".repeat(bytes - lines * lineBytes);
}

/** What carries no audit record: the relay and its scanner alone. */
export function ping(bytes: number): CallTemplate {
  const bare = new CallTemplate("ping", { _meta: { padding: "" } }).bytes;
  return new CallTemplate("ping", { _meta: { padding: "x".repeat(bytes - bare) } });
}

export const OPENING = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "bench", version: "1.0.0" },
} as const;
