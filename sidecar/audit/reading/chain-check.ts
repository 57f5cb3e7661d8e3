import { GENESIS, type Header, type SealedLine } from "../record/seal.ts";
import type { Findings } from "./report.ts";

interface Range {
  from: number;
  to: number;
  /** The line before which they should stand. */
  readonly line: number;
}

/** Gaps remembered of one chain; more are reported as they come. */
const MAX_GAPS = 1000;

/** Follows one chain through a file, in constant memory. */
export class ChainCheck {
  readonly chain: string;
  readonly #findings: Findings;
  #gaps: Range[] = [];
  #head = GENESIS;
  records = 0;
  dropped = 0;
  firstSeq = -1;
  lastSeq = -1;
  ended: "stop" | "rotated" | undefined;

  constructor(chain: string, findings: Findings) {
    this.chain = chain;
    this.#findings = findings;
  }

  accept(record: SealedLine, line: number): void {
    this.records++;
    this.dropped += record.dropped;
    const where = { line, chain: this.chain, seq: record.seq };
    if (!record.intact) this.#findings.add("edited", "the line does not have the hash it carries", where);
    if (this.firstSeq === -1) this.#begin(record, line);
    else if (record.seq <= this.lastSeq) return this.#outOfPlace(record, line);
    else this.#follow(record, line);
    this.lastSeq = record.seq;
    this.#head = record.hash;
    this.ended = record.type === "stop" || record.type === "rotated" ? record.type : undefined;
  }

  /** Whether this beginning of a record is what the chain would have written next: a crash cut it off. */
  wouldContinueWith(header: Header): boolean {
    return this.ended === undefined && header.seq === this.lastSeq + 1 && header.prev === this.#head;
  }

  /** Says that the record with this number is there, though its line is no longer one. */
  found(seq: number): boolean {
    const gap = this.#gaps.find(({ from, to }) => from <= seq && seq <= to);
    if (gap === undefined) return false;
    this.#gaps.splice(this.#gaps.indexOf(gap), 1);
    if (gap.from < seq) this.#gaps.push({ ...gap, to: seq - 1 });
    if (seq < gap.to) this.#gaps.push({ ...gap, from: seq + 1 });
    return true;
  }

  /** Reports what never showed up. */
  finish(): void {
    for (const gap of this.#gaps) this.#reportGap(gap);
    this.#gaps = [];
  }

  #begin(record: SealedLine, line: number): void {
    this.firstSeq = record.seq;
    if (record.seq === 0) {
      if (record.type === "start" && record.prev === GENESIS) return;
      const where = { line, chain: this.chain, seq: 0 };
      this.#findings.add("unlinked", "the chain does not begin with a start record", where);
    } else if (record.type !== "continued") {
      this.#gap({ from: 0, to: record.seq - 1, line });
    }
  }

  #follow(record: SealedLine, line: number): void {
    const where = { line, chain: this.chain, seq: record.seq };
    const goesOn = this.ended === "rotated" && record.type === "continued";
    if (this.ended !== undefined && !goesOn) {
      this.#findings.add("after-stop", `a record follows the chain's ${this.ended} record`, where);
    }
    if (record.seq > this.lastSeq + 1) this.#gap({ from: this.lastSeq + 1, to: record.seq - 1, line });
    else if (record.prev !== this.#head) {
      this.#findings.add(
        "unlinked",
        "it does not follow the record before it: one of the two was rewritten",
        where,
      );
    }
  }

  #outOfPlace(record: SealedLine, line: number): void {
    const where = { line, chain: this.chain, seq: record.seq };
    if (this.found(record.seq)) this.#findings.add("moved", `it stands after record ${this.lastSeq}`, where);
    else this.#findings.add("repeated", "a record with this number came before", where);
  }

  #gap(gap: Range): void {
    if (this.#gaps.length < MAX_GAPS) this.#gaps.push(gap);
    else this.#reportGap(gap);
  }

  #reportGap({ from, to, line }: Range): void {
    const which = from === to ? `record ${from} is` : `records ${from} to ${to} are`;
    this.#findings.add("missing", `${which} missing before this line`, {
      line,
      chain: this.chain,
      seq: from,
    });
  }
}
