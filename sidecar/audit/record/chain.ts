import type { Head } from "../anchor.ts";
import { type Fragment, fragmentOf, type Tail } from "../file/tail.ts";
import { RecordBatch } from "./batch.ts";
import { type AuditClock, TimeText } from "./clock.ts";
import { newChainId } from "./ids.ts";
import { GENESIS, RECORD_START } from "./seal.ts";
import { detailText } from "./text.ts";

const NEWLINE = 0x0a;
/** Fragments remembered until a record can name them; more come only from a disk that is full again and again. */
const MAX_FRAGMENTS = 64;

/**
 * One guard instance's records as they queue for the file: numbered, linked, sealed. No I/O.
 *
 * Records are linked when they are queued. When the kernel took less than all, `settle` goes back to the last whole
 * record: what was lost never had a number, so the chain stays whole, and the next record says `"dropped":n`.
 */
export class RecordChain {
  readonly id: string = newChainId();
  readonly #clock: AuditClock;
  readonly #time = new TimeText();
  readonly #batch = new RecordBatch();
  #seq = 0;
  #prev: string = GENESIS;
  #head: Head = { seq: -1, hash: GENESIS };
  #lost = 0;
  #fragments: Fragment[] = [];
  #unterminated = false;
  /** Whether this batch starts with a line break. */
  #breaksLine = false;
  /** Which of this batch's records names the fragments, counted from 1. */
  #explainedAt = 0;

  constructor(clock: AuditClock) {
    this.#clock = clock;
  }

  /** The last record that is in the kernel. */
  get head(): Head {
    return this.#head;
  }

  /** Records queued. */
  get queued(): number {
    return this.#batch.records;
  }

  get bytes(): Buffer {
    return this.#batch.bytes;
  }

  /** Says what stands at the end of the file that the next batch goes to. */
  enter(tail: Tail): void {
    this.#unterminated = tail.unterminated;
    this.#fragments = tail.fragment === undefined ? [] : [tail.fragment];
  }

  /**
   * Queues a record.
   * @param context Who and where, the same for all records of a session.
   * @param members What happened. Both are JSON members that each begin with a comma, in ASCII.
   */
  add(type: string, context: string, members: string): void {
    const first = this.#batch.records === 0;
    if (first && this.#unterminated) {
      this.#batch.breakLine();
      this.#breaksLine = true;
    }
    const explains = first && this.#fragments.length > 0;
    // Behind the record that begins our part of a file, but before any other: that one may be the last.
    const begins = type === "start" || type === "continued";
    if (explains && !begins) this.#explain();
    this.#seal(type, context, members);
    if (explains && begins) this.#explain();
  }

  #explain(): void {
    this.#seal("recovered", "", `,"detail":${detailText({ broken: this.#fragments })}`);
    this.#explainedAt = this.#batch.records;
  }

  /**
   * Takes note of how much of the batch is in the file, and starts an empty one.
   * @param endsLine Whether the file ends with a newline, where it had to be looked at.
   */
  settle(taken: number, endsLine?: boolean): void {
    const bytes = this.#batch.bytes;
    const { records, last } = this.#batch.whole(taken);
    if (last !== undefined) {
      this.#head = { seq: this.#head.seq + records, hash: last.hash };
      this.#lost = 0;
    }
    const explained = this.#explainedAt > 0 && records >= this.#explainedAt;
    if (explained) this.#fragments = [];
    // The record that names fragments is no event of anybody's: made again, not counted as lost.
    this.#lost += this.#batch.records - records - (this.#explainedAt > 0 && !explained ? 1 : 0);
    if (taken > 0) {
      this.#unterminated = bytes[taken - 1] !== NEWLINE;
      this.#remember(bytes.subarray(last?.offset ?? (this.#breaksLine ? 1 : 0), taken));
    }
    if (endsLine !== undefined) this.#unterminated = !endsLine;
    this.#seq = this.#head.seq + 1;
    this.#prev = this.#head.hash;
    this.#breaksLine = false;
    this.#explainedAt = 0;
    this.#batch.clear();
  }

  /** What a write left in the file behind its last whole record: nothing, or the beginning of the next. */
  #remember(rest: Buffer): void {
    if (rest.length > 0 && this.#fragments.length < MAX_FRAGMENTS) this.#fragments.push(fragmentOf(rest));
  }

  #seal(type: string, context: string, members: string): void {
    const dropped = this.#lost === 0 || this.#batch.records > 0 ? "" : `"dropped":${this.#lost},`;
    this.#prev = this.#batch.add(
      `${RECORD_START}${this.id}","seq":${this.#seq},"prev":"${this.#prev}","type":"${type}",${dropped}` +
        `"time":"${this.#time.format(this.#clock.wallMs())}","uptime_ms":${this.#clock.uptimeMs()}`,
      context,
      members,
    );
    this.#seq++;
  }
}
