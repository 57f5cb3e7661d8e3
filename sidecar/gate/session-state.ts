/**
 * What both directions of one session share. Data and small steps on it; what is made of a message stands in
 * `peer-messages.ts` and `upstream-messages.ts`.
 */
import { Buffer } from "node:buffer";
import type { AuditLog, ResultEvent, Subject } from "../audit/audit-log.ts";
import type { GuardErrorCode } from "../model/errors.ts";
import { Outbox } from "../relay/outbox.ts";
import { monotonicMs } from "../platform/monotonic.ts";
import type { ByteStream } from "../platform/platform.ts";
import type { SessionAccess } from "./access/session-access.ts";
import type { Judge, Verdict } from "./judge.ts";
import { idText, type Pending, PendingTable, type RpcId } from "./pending.ts";
import { errorLine, RPC_CODES, withId } from "./refusal.ts";
import { type SessionSpan, SPAN_SENTENCES, type SpanEnd } from "./session-span.ts";
import { ToolCatalogue } from "./tool-catalogue.ts";

export interface SessionLimits {
  /** Longest line from a peer, in bytes. Under the 10 MiB at which SDK servers die. */
  readonly peerLine: number;
  /** Longest line from the server, in bytes. */
  readonly upstreamLine: number;
  readonly pending: number;
}

export const DEFAULT_LIMITS: SessionLimits = {
  peerLine: 8 * 1024 * 1024,
  upstreamLine: 64 * 1024 * 1024,
  pending: 4096,
};

export class SessionState {
  readonly id: string;
  readonly judge: Judge;
  readonly audit: AuditLog;
  readonly limits: SessionLimits;
  readonly toPeer: Outbox;
  readonly toUpstream = new Outbox(undefined);
  /** Requests of the peer that wait for the server. */
  readonly asked: PendingTable;
  /** Requests of the server that wait for the peer. */
  readonly askedByServer: PendingTable;
  readonly catalogue: ToolCatalogue;
  readonly span: SessionSpan;
  readonly access: SessionAccess;
  /** The limit that the session has come to: it takes no more requests. */
  over: SpanEnd | undefined;
  /** Whether a message of the modern era was seen; the server then asks the peer nothing by itself. */
  modern = false;
  /** Counts chunks in either direction: the order in which things happened. */
  tick = 0;
  /** When the chunk at hand arrived. */
  arrivedAt = 0;
  /** Requests of the chunk at hand: they go on once the chunk's records are written. */
  #unsent: Pending[] = [];
  readonly #askedByOld = new Set<RpcId>();

  constructor(
    id: string,
    peer: Pick<ByteStream, "write">,
    judge: Judge,
    audit: AuditLog,
    limits: SessionLimits,
    span: SessionSpan,
    access: SessionAccess,
  ) {
    this.id = id;
    this.judge = judge;
    this.audit = audit;
    this.limits = limits;
    this.span = span;
    this.access = access;
    this.toPeer = new Outbox(peer);
    this.asked = new PendingTable(limits.pending);
    this.askedByServer = new PendingTable(limits.pending);
    this.catalogue = new ToolCatalogue(judge.policy);
  }

  /** A chunk came in, from either side. @returns Its tick. */
  begin(): number {
    this.arrivedAt = monotonicMs();
    return ++this.tick;
  }

  /** Registers a request of the peer that is about to be forwarded. */
  expect(request: Omit<Pending, "sentTick" | "sentAt" | "cancelled">): Pending {
    // Field by field: on Node 20 a spread with further fields behind it costs 40 times as much.
    const pending: Pending = {
      id: request.id,
      method: request.method,
      methodName: request.methodName,
      name: request.name === undefined ? undefined : kept(request.name),
      modern: request.modern,
      sentTick: this.tick,
      sentAt: this.arrivedAt,
      firstPage: request.firstPage,
      audited: request.audited,
      cancelled: false,
    };
    this.asked.add(pending);
    this.#unsent.push(pending);
    return pending;
  }

  recordVerdict(
    subject: Omit<Subject, "session">,
    verdict: Verdict,
    argsDigest?: string,
    refusal?: string,
  ): void {
    const { decision } = verdict;
    this.audit.append({
      type: "decision",
      session: this.id,
      direction: subject.direction,
      method: subject.method,
      name: subject.name,
      rpcId: subject.rpcId,
      effect: decision.effect,
      reason: decision.reason,
      rules: decision.rules,
      observed: verdict.observed ? true : undefined,
      argsDigest,
      decisionUs: this.elapsedUs(),
      refusal,
    });
  }

  /** Records a refusal that no rule was asked about. @returns The id it is found by. */
  recordRefusal(subject: Omit<Subject, "session">, code: GuardErrorCode, detail?: string): string {
    const refusal = this.audit.refusalId();
    this.audit.append({
      type: "decision",
      session: this.id,
      direction: subject.direction,
      method: subject.method,
      name: subject.name,
      rpcId: subject.rpcId,
      effect: "deny",
      reason: detail === undefined ? code : `${code}:${detail}`,
      rules: [],
      decisionUs: this.elapsedUs(),
      refusal,
    });
    return refusal;
  }

  /** Answers a request of the peer with an error, and records why. */
  refuse(id: RpcId, method: string, code: GuardErrorCode, sentence: string, detail?: string): void {
    const rpcId = idText(id);
    const refusal = this.recordRefusal({ direction: "fromPeer", method, rpcId }, code, detail);
    this.toPeer.send(errorLine(rpcId, RPC_CODES[code], withId(sentence, refusal)));
  }

  /** Refuses a request of a session that has come to a limit. */
  refuseOver(id: RpcId, method: string, end: SpanEnd): void {
    this.refuse(id, method, "ERR_SESSION_OVER", SPAN_SENTENCES[end], end);
  }

  /**
   * The server answers no more: whoever waits for it is told.
   *
   * @param kept A method whose requests go on waiting, since they are sent again.
   */
  answerAll(code: GuardErrorCode, sentence: string, kept?: string): void {
    const outcome = code === "ERR_SESSION_OVER" ? "session-over" : "upstream-gone";
    for (const request of this.asked.drain(kept)) {
      this.toPeer.send(errorLine(idText(request.id), RPC_CODES[code], sentence));
      this.recordResult(request, outcome, 0);
    }
  }

  /** The server is a new process: what the old one asked is answered to nobody. */
  forgetServerRequests(): void {
    for (const { id } of this.askedByServer.drain()) this.#askedByOld.add(id);
  }

  /** @returns Whether an answer of the peer's belongs to a question that the server may hear the answer of. */
  takeServerRequest(id: RpcId): boolean {
    // A new process may use the old one's ids; the peer answers in the order it was asked.
    if (this.#askedByOld.delete(id)) return false;
    // The tick of a peer's line is never older than the server's question: the peer could not know its id.
    return this.askedByServer.take(id, this.tick + 1) !== undefined;
  }

  /** Records how a request ended, if a record is owed. */
  recordResult(request: Pending, outcome: ResultEvent["outcome"], bytes: number): void {
    if (!request.audited) return;
    this.audit.append({
      type: "result",
      session: this.id,
      direction: "fromPeer",
      method: request.methodName,
      name: request.name,
      rpcId: idText(request.id),
      outcome,
      durationMs: this.arrivedAt - request.sentAt,
      bytes,
    });
  }

  elapsedUs(): number {
    return Math.round((monotonicMs() - this.arrivedAt) * 1000);
  }

  /**
   * Writes the chunk's records. Nothing of the chunk has gone on yet.
   *
   * @returns false when they could not be written and the policy wants that to stop what they speak of: the
   * chunk's requests are answered here, and what was to go to the server is forgotten.
   */
  commitAudit(): boolean {
    const unsent = this.#unsent;
    if (unsent.length > 0) this.#unsent = [];
    try {
      this.audit.flush();
      return true;
    } catch {
      // The log itself reports the failure on the next record that can be written.
      if (!this.audit.mandatory) return true;
    }
    this.toUpstream.discard();
    for (const request of unsent) {
      this.asked.remove(request.id);
      const sentence = "The audit log cannot be written, so nothing is allowed";
      this.toPeer.send(errorLine(idText(request.id), RPC_CODES.ERR_AUDIT_UNWRITABLE, sentence));
    }
    return false;
  }
}

/** Longest name that is kept with a pending request: thousands may be pending, and a URI can be megabytes long. */
const LONGEST_NAME = 512;

function kept(name: string): string {
  // Through bytes: a slice of a string would keep all of it.
  return name.length <= LONGEST_NAME ? name : Buffer.from(name.slice(0, LONGEST_NAME)).toString("utf8");
}
