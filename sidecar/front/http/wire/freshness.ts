/**
 * Which requests of a connection were sent after its peer was measured. Pure.
 *
 * The first bytes of a connection may be another program's: it can queue requests and then exec the one that is
 * measured. The parser does not tell where a request's bytes begin, so what is not certainly younger counts as old.
 */
import { Buffer } from "node:buffer";

const END_OF_HEAD = Buffer.from("\r\n\r\n");
/** Of a longer beginning no more is kept than is counted. */
const KEPT = 64 * 1024;

export class Freshness {
  #early: Buffer | undefined;
  #earlyOver = false;
  /** Ends of heads among the early bytes: no more requests than that, and one more, have early bytes. */
  #heads = 0;
  #seen = 0;

  /** Bytes came; early ones all come before the others. */
  read(chunk: Buffer, fresh: boolean): void {
    if (this.#earlyOver) return;
    if (fresh) {
      this.#earlyOver = true;
      if (this.#early !== undefined && isOneRequest(this.#early)) this.#heads = 0;
      return;
    }
    const tail = this.#early?.subarray(-END_OF_HEAD.length + 1) ?? Buffer.alloc(0);
    this.#heads += count(Buffer.concat([tail, chunk]));
    const all = Buffer.concat([this.#early ?? Buffer.alloc(0), chunk]);
    this.#early = all.length > KEPT ? all.subarray(-KEPT) : all;
    if (all.length > KEPT) this.#heads++;
  }

  /** The parser has the next request's head. @returns Whether all of that request was sent late enough. */
  request(): boolean {
    this.#seen++;
    if (this.#early === undefined) return true;
    return this.#earlyOver && this.#seen > this.#heads + 1;
  }
}

function count(bytes: Buffer): number {
  let found = 0;
  for (let at = bytes.indexOf(END_OF_HEAD); at >= 0; at = bytes.indexOf(END_OF_HEAD, at + 1)) found++;
  return found;
}

/** Whether these bytes are one whole request, head and body, and not a byte more, however a strict parser reads them. */
function isOneRequest(bytes: Buffer): boolean {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0 || bytes.length >= KEPT) return false;
  const head = bytes.toString("latin1", 0, end);
  if (/[\r\n]/.test(head.replaceAll("\r\n", ""))) return false;
  const lines = head.split("\r\n").slice(1).map((line) => line.toLowerCase());
  if (lines.some((line) => line.startsWith("transfer-encoding"))) return false;
  const lengths = lines.filter((line) => line.startsWith("content-length"));
  const length = lengths.length === 0 ? "0" : /^content-length:[ \t]*(\d{1,9})[ \t]*$/.exec(lengths[0]!)?.[1];
  return lengths.length <= 1 && length !== undefined &&
    end + END_OF_HEAD.length + Number(length) === bytes.length;
}
