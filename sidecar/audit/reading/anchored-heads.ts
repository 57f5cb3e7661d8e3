import { closeSync, openSync } from "node:fs";
import { readLines } from "./lines.ts";

export interface AnchoredHead {
  readonly hash: string;
  /** Which file the guard was writing to; see `fileId`. */
  readonly file: string;
}

/** All heads of an anchor, by chain and seq. One a minute and guard: they fit in memory. */
export class AnchoredHeads {
  readonly #chains = new Map<string, Map<number, AnchoredHead>>();
  /** Lines that could not be read as heads. */
  unreadable = 0;

  chains(): Iterable<string> {
    return this.#chains.keys();
  }

  at(chain: string, seq: number): AnchoredHead | undefined {
    return this.#chains.get(chain)?.get(seq);
  }

  /** The highest seq anchored of a chain while it was written to this file. */
  last(chain: string, file: string): number | undefined {
    let last: number | undefined;
    for (const [seq, head] of this.#chains.get(chain) ?? []) {
      if (head.file === file && (last === undefined || seq > last)) last = seq;
    }
    return last;
  }

  /** Whether a chain was ever anchored in another file than this. */
  elsewhere(chain: string, file: string): boolean {
    for (const head of this.#chains.get(chain)?.values() ?? []) if (head.file !== file) return true;
    return false;
  }

  add(chain: string, seq: number, head: AnchoredHead): void {
    const heads = this.#chains.get(chain) ?? new Map<number, AnchoredHead>();
    this.#chains.set(chain, heads.set(seq, head));
  }
}

const LINE_LIMIT = 4096;
const HEAD =
  /^\{"v":1,"file":"([0-9a-f]{16})","chain":"([a-z2-7]{16})","seq":([0-9]{1,15}),"hash":"([0-9a-f]{64})","time":"[0-9TZ:.+-]{20,32}"\}$/;

/** Reads an anchor file. @throws as the kernel does when it cannot be opened. */
export function readAnchor(path: string): AnchoredHeads {
  const heads = new AnchoredHeads();
  const fd = openSync(path, "r");
  try {
    for (const line of readLines(fd, LINE_LIMIT)) {
      if (line.bytes.length === 0) continue;
      const match = HEAD.exec(line.bytes.toString("latin1"));
      if (match === null) {
        heads.unreadable++;
        continue;
      }
      const [, file, chain, seq, hash] = match as unknown as [string, string, string, string, string];
      heads.add(chain, Number(seq), { hash, file });
    }
  } finally {
    closeSync(fd);
  }
  return heads;
}
