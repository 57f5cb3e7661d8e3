import { clearInterval, setInterval } from "node:timers";
import { GuardError, messageOf } from "../model/errors.ts";
import type { Anchor, Head } from "./anchor.ts";
import type { AuditEvent, AuditLog, SessionIdentity } from "./audit-log.ts";
import type { AppendFile, OpenAppendFile } from "./file/append-file.ts";
import { GroupSync } from "./file/group-sync.ts";
import { findLanded } from "./file/landed.ts";
import { fileId, inspectTail, type Tail } from "./file/tail.ts";
import { RecordChain } from "./record/chain.ts";
import type { AuditClock } from "./record/clock.ts";
import { eventText } from "./record/event-text.ts";
import { identityText } from "./record/identity-text.ts";
import { RefusalIds } from "./record/ids.ts";
import { KeyedDigest } from "./record/keyed-digest.ts";
import { quote } from "./record/text.ts";
import { unwritable } from "./unwritable.ts";

const ANCHOR_EVERY_MS = 60_000;
const LOOK_AT_PATH_EVERY_MS = 1000;

export interface ChainedLogOptions {
  readonly file: AppendFile;
  readonly open: OpenAppendFile;
  readonly tail: Tail;
  readonly anchor: Anchor | undefined;
  readonly mandatory: boolean;
  readonly durability: "buffered" | "group";
  readonly clock: AuditClock;
  /** What `context` is first made for. */
  readonly policyDigest: string | undefined;
  /** Members that stand in every record: policy digest and server. */
  readonly context: (policyDigest: string | undefined) => string;
  /** Members of the records that begin a chain or its part in a new file. */
  readonly facts: string;
}

/**
 * The audit log of one guard instance on a real file: one chain, one write per flush.
 *
 * A record is in the kernel when `flush` returns: the guard may die after that, the record stays. Against loss of power
 * it is safe after the next group sync (`durability: group`), or when the kernel writes it back (`buffered`).
 */
export class ChainedLog implements AuditLog {
  readonly chain: string;
  readonly mandatory: boolean;
  readonly #options: ChainedLogOptions;
  readonly #records: RecordChain;
  #context: string;
  readonly #sessions = new Map<string, string>();
  readonly #digest = new KeyedDigest();
  readonly #refusals: RefusalIds;
  readonly #minute: NodeJS.Timeout;
  #file: AppendFile;
  #fileId: string;
  #sync: GroupSync | undefined;
  /** Set while the file does not yet hold the record that begins our part of it. */
  #opening: "start" | "continued" | undefined = "start";
  #nextLook: number;
  /** The file's size when an append last threw. */
  #failedAt = 0;
  #anchored = -1;
  #anchorFailed = false;
  #closed = false;

  /** Writes the start record. @throws {GuardError} `ERR_AUDIT_UNWRITABLE` */
  constructor(options: ChainedLogOptions) {
    this.#options = options;
    this.#context = options.context(options.policyDigest);
    this.mandatory = options.mandatory;
    this.#records = new RecordChain(options.clock);
    this.#records.enter(options.tail);
    this.chain = this.#records.id;
    this.#refusals = new RefusalIds(this.chain);
    this.#file = options.file;
    this.#nextLook = options.clock.uptimeMs() + LOOK_AT_PATH_EVERY_MS;
    this.#open();
    this.#write();
    this.#fileId = fileId(this.#file);
    this.#sync = this.#groupSync();
    this.#minute = setInterval(() => this.#everyMinute(), ANCHOR_EVERY_MS).unref();
    this.#anchorLater();
  }

  identify(session: string, identity: SessionIdentity): void {
    this.#sessions.set(session, this.#sessionText(session, identityText(identity)));
  }

  adoptPolicy(digest: string): void {
    this.#context = this.#options.context(digest);
  }

  forget(session: string): void {
    this.#sessions.delete(session);
  }

  append(event: AuditEvent): void {
    // The descriptor's number may belong to another file by now.
    if (this.#closed) {
      throw new GuardError("ERR_AUDIT_UNWRITABLE", "Cannot append a record: the log is closed");
    }
    const { session } = event;
    const who = session === undefined
      ? this.#context
      : this.#sessions.get(session) ?? this.#sessionText(session, "null");
    this.#add(event.type, who, eventText(event));
  }

  flush(): void {
    this.#refuseAfterFailedSync();
    const { queued } = this.#records;
    if (queued === 0) return;
    this.#write();
    this.#sync?.wrote(queued);
    if (this.#options.clock.uptimeMs() < this.#nextLook) return;
    try {
      this.#followPath();
    } catch (error) {
      throw unwritable(`go on in "${this.#file.path}"`, error);
    }
  }

  refusalId(): string {
    return this.#refusals.next();
  }

  digestArguments(bytes: Uint8Array): string {
    return this.#digest.digest(bytes);
  }

  close(reason: string): void {
    if (this.#closed) return;
    clearInterval(this.#minute);
    try {
      this.#followPath();
      this.#add("stop", this.#context, `,"detail":{"reason":${quote(reason)}}`);
      this.#write();
      // The log first: an anchor that names a record which a loss of power took looks like a cut.
      this.#file.sync();
      if (this.#options.anchor !== undefined) this.#anchor(this.#options.anchor, this.#records.head);
    } catch (error) {
      throw unwritable("finish the audit log", error);
    } finally {
      this.#closed = true;
      this.#sync?.stop();
      this.#file.close();
      this.#options.anchor?.close();
    }
  }

  #sessionText(session: string, who: string): string {
    return `,"session":${quote(session)},"who":${who}${this.#context}`;
  }

  #add(type: string, context: string, members: string): void {
    if (this.#opening !== undefined && this.#records.queued === 0) this.#open();
    this.#records.add(type, context, members);
  }

  #open(): void {
    this.#records.add(this.#opening!, this.#context, this.#options.facts);
  }

  /** @throws {GuardError} `ERR_AUDIT_UNWRITABLE`; what did not reach the kernel whole is dropped and counted. */
  #write(): void {
    const bytes = this.#records.bytes;
    const before = this.#records.head.seq;
    let taken = 0;
    let cause: unknown = "the disk took only a part of it";
    let endsLine: boolean | undefined;
    try {
      taken = this.#file.append(bytes);
    } catch (error) {
      cause = error;
      ({ taken, endsLine, size: this.#failedAt } = findLanded(this.#file, bytes, this.#failedAt));
    }
    const whole = taken === bytes.length && endsLine === undefined;
    this.#records.settle(taken, endsLine);
    if (this.#records.head.seq > before) this.#opening = undefined;
    if (!whole) throw unwritable(`write to "${this.#file.path}"`, cause);
  }

  /** A sync that failed may have lost records which calls already relied upon: said once, loudly, and recorded. */
  #refuseAfterFailedSync(): void {
    const failure = this.#sync?.takeFailure();
    if (failure === undefined) return;
    this.#records.settle(0);
    this.#notice("sync_failed", failure);
    throw unwritable(`put "${this.#file.path}" on the disk`, failure);
  }

  /**
   * Goes on in a new file when ours was renamed or removed (log rotation). The old one ends with a `rotated` record; in
   * the new one our part begins with a `continued` record, whose `prev` is the old one's head.
   */
  #followPath(): void {
    if (this.#file.inPlace()) {
      this.#nextLook = this.#options.clock.uptimeMs() + LOOK_AT_PATH_EVERY_MS;
      return;
    }
    const next = this.#options.open(this.#file.path);
    const tail = inspectTail(next);
    this.#leaveFile();
    this.#file = next;
    this.#failedAt = 0;
    this.#sync = this.#groupSync();
    this.#records.enter(tail);
    this.#opening = "continued";
    this.#open();
    this.#write();
    this.#fileId = fileId(next);
    this.#nextLook = this.#options.clock.uptimeMs() + LOOK_AT_PATH_EVERY_MS;
    this.#anchorLater();
  }

  #leaveFile(): void {
    this.#add("rotated", this.#context, `,"detail":{"continues":"in a new file"}`);
    try {
      this.#write();
      this.#file.sync();
    } catch {
      // The old file's disk is full or gone. The chain goes on in the new file, which carries the old one's head.
    }
    this.#sync?.stop();
    this.#file.close();
  }

  #groupSync(): GroupSync | undefined {
    return this.#options.durability === "group" ? new GroupSync(this.#file) : undefined;
  }

  #everyMinute(): void {
    try {
      this.#followPath();
    } catch {
      // Met again, and thrown, by the next flush: there is nobody here to refuse anything to.
      this.#nextLook = 0;
    }
    this.#anchorLater();
  }

  /** Anchors the present head once it is on the disk, off the hot path. */
  #anchorLater(): void {
    const { anchor } = this.#options;
    const { head } = this.#records;
    if (anchor === undefined || head.seq === this.#anchored) return;
    const file = this.#file;
    file.syncLater((error) => {
      if (this.#closed || file !== this.#file) return;
      try {
        if (error !== null) throw error;
        this.#anchor(anchor, head);
        this.#anchorFailed = false;
      } catch (failure) {
        this.#noteAnchorFailure(failure);
      }
    });
  }

  #anchor(anchor: Anchor, head: Head): void {
    const time = new Date(this.#options.clock.wallMs()).toISOString();
    anchor.write({ file: this.#fileId, chain: this.chain, seq: head.seq, hash: head.hash, time });
    this.#anchored = head.seq;
  }

  #noteAnchorFailure(failure: unknown): void {
    if (this.#anchorFailed) return;
    this.#anchorFailed = true;
    this.#notice("anchor_failed", failure);
  }

  #notice(what: string, failure: unknown): void {
    this.#add("notice", this.#context, `,"detail":{"${what}":${quote(codeOf(failure))}}`);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? messageOf(error);
}
