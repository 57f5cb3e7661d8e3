/**
 * Proves that an audit log is what its guards wrote.
 *
 * Trusted: sha256, and the anchor as far as it was out of reach. Found: any edit, removal, reordering or repetition
 * within a chain, lines that are no records, and with an anchor cut ends and removed chains. Not found: what somebody
 * who can write both log and anchor rewrote from some record to the end; how records of different chains were
 * interleaved (their times say that).
 */
import { closeSync, existsSync, openSync } from "node:fs";
import { fileIdOf, type Fragment } from "../file/tail.ts";
import { MAX_LINE_BYTES, readLine, RECORD_START, type SealedLine } from "../record/seal.ts";
import { AnchoredHeads, readAnchor } from "./anchored-heads.ts";
import { type BrokenLine, brokenLine, explainedBy, type Piece, splitAtRecords } from "./broken-lines.ts";
import { ChainCheck } from "./chain-check.ts";
import { type Line, readLines } from "./lines.ts";
import { type AuditReport, type ChainEnd, type ChainReport, Findings } from "./report.ts";

/** Broken lines remembered until the end, where a `recovered` record may have accounted for them. */
const MAX_BROKEN = 10_000;
const MAX_NOTES = 200;

/**
 * Reads a log once, from its beginning, in memory that grows with the number of chains only.
 *
 * A log that guards are writing to can be verified; a record that is half there at the end is a note.
 *
 * @param anchor The anchor's path. @default {`<file>.anchor`, where there is one}
 * @throws as the kernel does when the log, or an anchor that was named, cannot be read.
 */
export function verifyAuditFile(file: string, anchor?: string): AuditReport {
  // The anchor first: heads are written after their records, so each of them must be in what we read next.
  const path = anchor ?? `${file}.anchor`;
  const heads = anchor !== undefined || existsSync(path) ? readAnchor(path) : undefined;
  const fd = openSync(file, "r");
  try {
    const verification = new Verification(heads);
    for (const line of readLines(fd, MAX_LINE_BYTES)) verification.read(line);
    return verification.report(file);
  } finally {
    closeSync(fd);
  }
}

class Verification {
  readonly #heads: AnchoredHeads;
  readonly #anchored: boolean;
  readonly #findings = new Findings();
  readonly #chains = new Map<string, ChainCheck>();
  readonly #notes: string[] = [];
  readonly #broken: BrokenLine[] = [];
  readonly #explained = new Set<string>();
  #fileId = "";
  #records = 0;
  #recovered = 0;
  #blank = 0;
  #beginningGone = false;

  constructor(heads: AnchoredHeads | undefined) {
    this.#anchored = heads !== undefined;
    this.#heads = heads ?? new AnchoredHeads();
  }

  read(line: Line): void {
    if (line.number === 1) this.#fileId = fileIdOf(line.bytes);
    const record = line.cut ? undefined : readLine(line.bytes);
    // Half a record with another guard's whole one behind it has the one's beginning and the other's end.
    const glued = record?.intact === false && line.bytes.includes(RECORD_START, 1);
    if (record === undefined || glued) return this.#readBroken(line);
    this.#accept(record, line.bytes, line.number);
    if (!line.terminated) this.#note("the last record lacks its newline");
  }

  report(file: string): AuditReport {
    for (const broken of this.#broken) this.#judge(broken);
    for (const chain of this.#chains.values()) chain.finish();
    const chains = [...this.#chains.values()].map((chain) => this.#chainReport(chain));
    this.#compareWithAnchor();
    if (this.#blank > this.#recovered) this.#note(`${this.#blank} empty lines`);
    const { list, count } = this.#findings;
    return {
      file,
      records: this.#records,
      chains,
      altered: count > 0,
      findings: list,
      findingCount: count,
      notes: this.#notes,
    };
  }

  #accept(record: SealedLine, bytes: Buffer, line: number): void {
    this.#records++;
    let chain = this.#chains.get(record.chain);
    if (chain === undefined) {
      this.#chains.set(record.chain, chain = new ChainCheck(record.chain, this.#findings));
    }
    chain.accept(record, line);
    if (record.type === "recovered" && record.intact) {
      this.#recovered++;
      for (const { bytes: length, sha256 } of explainedBy(bytes)) this.#explained.add(`${length} ${sha256}`);
    }
    this.#compareWithHead(record, line);
  }

  #compareWithHead(record: SealedLine, line: number): void {
    const head = this.#heads.at(record.chain, record.seq);
    if (head === undefined) return;
    const where = { line, chain: record.chain, seq: record.seq };
    if (head.hash !== record.hash) {
      this.#findings.add("anchor-mismatch", "the anchor knows another record under this number", where);
    }
    if (head.file !== this.#fileId && !this.#beginningGone) {
      this.#beginningGone = true;
      this.#findings.add("beginning-gone", "the anchor says that this file began with another line", where);
    }
  }

  #readBroken(line: Line): void {
    if (line.bytes.length === 0) {
      this.#blank++;
      return;
    }
    if (line.cut || this.#broken.length === MAX_BROKEN) {
      this.#findings.add("foreign", "the line is not an audit record", { line: line.number });
      return;
    }
    let broken: Buffer[] = [];
    for (const part of splitAtRecords(line.bytes)) {
      const record = readLine(part);
      if (record === undefined) {
        broken.push(Buffer.from(part));
        continue;
      }
      if (broken.length > 0) this.#broken.push(brokenLine(line.number, broken, true));
      else if (part.byteOffset !== line.bytes.byteOffset) {
        this.#note(`line ${line.number} holds two records: the newline between them is gone`);
      }
      broken = [];
      this.#accept(record, part, line.number);
    }
    if (broken.length > 0) this.#broken.push(brokenLine(line.number, broken, !line.terminated));
  }

  #judge(broken: BrokenLine): void {
    const explained = this.#isExplained(broken.whole) ||
      broken.pieces.every((piece) =>
        this.#isExplained(piece.fragment) || (broken.cutOff && this.#isCrash(piece))
      );
    if (explained) {
      this.#note(
        `line ${broken.line}: ${broken.whole.bytes} bytes of a record that a crash or a full disk cut off`,
      );
      return;
    }
    for (const { header } of broken.pieces) {
      const where = header === undefined
        ? { line: broken.line }
        : { line: broken.line, chain: header.chain, seq: header.seq };
      const known = header !== undefined && this.#chains.get(header.chain)?.found(header.seq) === true;
      if (known) this.#findings.add("edited", "the record is damaged", where);
      else this.#findings.add("foreign", "the line is not an audit record", where);
    }
  }

  #note(text: string): void {
    if (this.#notes.length < MAX_NOTES) this.#notes.push(text);
  }

  #isExplained(fragment: Fragment): boolean {
    return this.#explained.has(`${fragment.bytes} ${fragment.sha256}`);
  }

  // Written by nobody's `recovered` record yet: a guard that was killed while others went on writing, or the very end
  // of the file. It says no more than that the chain's end is unproven, which is reported anyway.
  #isCrash({ header, plausible }: Piece): boolean {
    if (header === undefined) return plausible;
    const chain = this.#chains.get(header.chain);
    return chain === undefined ? header.seq === 0 : chain.wouldContinueWith(header);
  }

  #chainReport(check: ChainCheck): ChainReport {
    const { chain, records, firstSeq, lastSeq, dropped } = check;
    const anchoredSeq = this.#heads.last(chain, this.#fileId);
    return { chain, records, firstSeq, lastSeq, end: this.#endOf(check, anchoredSeq), anchoredSeq, dropped };
  }

  #endOf(check: ChainCheck, anchoredSeq: number | undefined): ChainEnd {
    const { chain, lastSeq } = check;
    if (anchoredSeq !== undefined && anchoredSeq > lastSeq) {
      const message =
        `the anchor knows record ${anchoredSeq}, the file ends with ${lastSeq}: the end was cut off`;
      this.#findings.add("cut", message, { chain, seq: anchoredSeq });
      return "cut";
    }
    if (check.ended === "stop") return "stopped";
    if (check.ended === "rotated") return "rotated";
    return anchoredSeq === lastSeq ? "anchored" : "unproven";
  }

  #compareWithAnchor(): void {
    if (!this.#anchored) return;
    let elsewhere = 0;
    for (const chain of this.#heads.chains()) {
      if (this.#chains.has(chain)) continue;
      const last = this.#heads.last(chain, this.#fileId);
      if (last === undefined) elsewhere++;
      else {
        const message = `the anchor knows record ${last} of this chain, the file holds none of it`;
        this.#findings.add("gone", message, { chain, seq: last });
      }
    }
    if (elsewhere > 0 && this.#records === 0) {
      this.#findings.add("gone", `the file is empty, and the anchor knows ${elsewhere} chains`, {});
    } else if (elsewhere > 0) {
      this.#note(`the anchor knows ${elsewhere} chains that are not in this file: rotated away, or removed`);
    }
    if (this.#heads.unreadable > 0) {
      this.#note(`${this.#heads.unreadable} lines of the anchor are no heads`);
    }
  }
}
