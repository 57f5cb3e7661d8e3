/**
 * The bytes of an admitted peer, and the checks that go with each read: steps 10, 12 and 13 of the order of
 * verification.
 *
 * Trusts the kernel's word on who sent a read. Defends against: a helper that holds the same socket, an exec in the
 * peer, a peer that ended and left its socket to another, bytes that were queued before the peer was measured. Leaves
 * to others: code put into the peer's own process (ptrace).
 */
import type { Buffer } from "node:buffer";
import type { Attestation } from "../../attest/attest.ts";
import type { GuardErrorCode } from "../../model/errors.ts";
import type { Credentials } from "../../model/evidence.ts";
import type { PeerStream, Sender } from "../../platform/platform.ts";

/** What was settled at admission. */
export interface StreamTerms {
  /** Whom the bytes must come from; undefined where the kernel names no sender (pipes, terminals, files). */
  readonly from: Credentials | undefined;
  /** Whether every read must come from there, or the first only. */
  readonly sender: "every" | "first";
  /** The first so many bytes were sent before the peer was measured, some perhaps before the kernel named senders. */
  readonly early: number;
  /** Whether these may have no effect: another program could have sent them, and become this one since. */
  readonly proof: "required" | "not-required";
  /** Whether the peer was admitted for what it runs: then it must go on running it. */
  readonly image: boolean;
}

/** Why a peer is no longer the one that was admitted. */
export interface PeerLoss {
  readonly code: GuardErrorCode;
  /** A short code for the audit log. */
  readonly detail: string;
}

export interface AdmittedEvents {
  /** @param fresh It may have effect: it was sent after the peer was measured, or that need not be proven. */
  data(chunk: Buffer, fresh: boolean): void;
  end(): void;
  error(error: Error): void;
  drain(): void;
  /** Told once; nothing is read or written from here on. */
  lost(loss: PeerLoss): void;
}

/** How often a peer that says nothing is looked at: its socket may outlive it in a child's hands. */
const WATCH_MS = 1000;

export class AdmittedStream {
  readonly #stream: PeerStream;
  readonly #attestation: Attestation;
  readonly #terms: StreamTerms;
  #early: number;
  #readOnce = false;
  #events: AdmittedEvents | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #lost = false;

  constructor(stream: PeerStream, attestation: Attestation, terms: StreamTerms) {
    this.#stream = stream;
    this.#attestation = attestation;
    this.#terms = terms;
    this.#early = terms.early;
  }

  start(events: AdmittedEvents): void {
    this.#events = events;
    this.#stream.start({
      data: (chunk, sender) => this.#read(chunk, sender),
      end: () => this.#lost || events.end(),
      error: (error) => this.#lost || events.error(error),
      drain: () => this.#lost || events.drain(),
    });
    this.#watch = setInterval(() => this.#look(), WATCH_MS);
    this.#watch.unref();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#lost) this.#stream.resume();
  }

  /** @returns false when the caller should wait for `drain`. What is written to a peer that is lost goes nowhere. */
  write(bytes: Uint8Array): boolean {
    // Whoever inherited the socket of a peer that ended must not read what it had asked for.
    if (!this.#lost && !this.#attestation.isAlive()) this.lose({ code: "ERR_PEER_GONE", detail: "ended" });
    return this.#lost || this.#stream.write(bytes);
  }

  get buffered(): number {
    return this.#lost ? 0 : this.#stream.buffered;
  }

  end(): void {
    if (!this.#lost) this.#stream.end();
  }

  destroy(): void {
    clearInterval(this.#watch);
    this.#stream.destroy();
  }

  /** Ends it for a reason that shows elsewhere. */
  lose(loss: PeerLoss): void {
    if (this.#lost) return;
    this.#lost = true;
    clearInterval(this.#watch);
    this.#stream.destroy();
    this.#events?.lost(loss);
  }

  #read(chunk: Buffer, sender: Sender): void {
    if (this.#lost) return;
    const loss = this.#verify(sender);
    if (loss !== undefined) return this.lose(loss);
    const early = Math.min(this.#early, chunk.length);
    this.#early -= early;
    if (early === 0 || this.#terms.proof === "not-required") return this.#events?.data(chunk, true);
    this.#events?.data(early === chunk.length ? chunk : chunk.subarray(0, early), false);
    if (early < chunk.length) this.#events?.data(chunk.subarray(early), true);
  }

  #verify(sender: Sender): PeerLoss | undefined {
    const { from, image } = this.#terms;
    if (from !== undefined && !this.#isFrom(from, sender)) {
      return { code: "ERR_SENDER_OTHER", detail: sender === undefined ? "nobody" : `pid-${sender.pid}` };
    }
    const attestation = this.#attestation;
    if (image ? attestation.stillSame() : attestation.isAlive()) return undefined;
    return { code: "ERR_PEER_GONE", detail: attestation.isAlive() ? "exe-changed" : "ended" };
  }

  #isFrom(from: Credentials, sender: Sender): boolean {
    if (this.#readOnce && this.#terms.sender === "first") return true;
    // Sent before we asked the kernel to say who sends.
    if (this.#early > 0 && sender?.pid === 0) return true;
    this.#readOnce = true;
    // The number is enough: its process is held and lives, so it is nobody else's.
    return sender !== undefined && sender.pid === from.pid && sender.uid === from.uid;
  }

  #look(): void {
    if (!this.#lost && !this.#attestation.isAlive()) this.lose({ code: "ERR_PEER_GONE", detail: "ended" });
  }
}
