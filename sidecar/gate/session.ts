/**
 * One admitted peer with its server behind it, from the first byte to the last.
 *
 * Joins the two directions, keeps both sides' back-pressure apart, and sees to it that every request is answered once,
 * whatever ends the session. Whatever throws while a message is judged ends here as a refusal.
 */
import { Buffer } from "node:buffer";
import type { AdmissionWorld, Policy, SessionSection } from "../../policy/mod.ts";
import type { AuditLog, LifecycleEvent, SessionIdentity } from "../audit/audit-log.ts";
import { evidenceDetail } from "../audit/record/evidence-detail.ts";
import { type GuardError, type GuardErrorCode, messageOf } from "../model/errors.ts";
import { type Fact, isKnown } from "../model/evidence.ts";
import { monotonicMs } from "../platform/monotonic.ts";
import { IdFinder } from "../relay/id-finder.ts";
import type { StopCause, Upstream, UpstreamExit } from "../upstream/upstream.ts";
import { type AccessTerms, SessionAccess } from "./access/session-access.ts";
import type { SessionPeer } from "./admission/admit.ts";
import type { PeerLoss } from "./admission/admitted-stream.ts";
import { HeldRequests } from "./held-requests.ts";
import type { Judge } from "./judge.ts";
import { Opening } from "./opening.ts";
import { PeerLink } from "./peer-link.ts";
import { type PeerLine, PeerMessages } from "./peer-messages.ts";
import { idText, type RpcId } from "./pending.ts";
import { errorLine, RPC_CODES } from "./refusal.ts";
import { SessionSpan, SPAN_SENTENCES, type SpanEnd } from "./session-span.ts";
import { type SessionLimits, SessionState } from "./session-state.ts";
import { ToolListing } from "./tool-listing.ts";
import { UpstreamLink } from "./upstream-link.ts";
import { UpstreamMessages } from "./upstream-messages.ts";

export interface SessionOptions {
  readonly id: string;
  readonly peer: SessionPeer;
  readonly launch: () => Promise<Upstream>;
  readonly judge: Judge;
  readonly audit: AuditLog;
  readonly limits: SessionLimits;
  /** How long it may last; undefined: until either side ends. */
  readonly terms: Pick<SessionSection, "idleMs" | "maxAgeMs" | "maxCalls"> | undefined;
  /** Tokens and the one-time secret; undefined: the policy speaks of neither. */
  readonly access: AccessTerms | undefined;
  /** One line for the person at the terminal. */
  readonly notice: (text: string) => void;
}

/** How much a session was used so far. */
export interface SessionUse {
  readonly calls: number;
  /** Requests of the peer that wait for the server. */
  readonly pending: number;
  /** Since the peer asked for something or was answered. */
  readonly idleMs: number;
}

export interface SessionEnd {
  /** Undefined when the server could not be started. */
  readonly exit: UpstreamExit | undefined;
  readonly error: GuardError | undefined;
}

/** Our own answers that a peer may leave unread before it is no longer read from. */
const UNREAD_ANSWERS = 1024 * 1024;
const HELD_BYTES = 1024 * 1024;
/** Lines of the server that are no messages and get a record each; the rest are counted. */
const NOISE_RECORDS = 20;
const LAST_WORDS_MS = 500;
const FIRST_REQUEST_MS = 300;

export class Session {
  readonly #options: SessionOptions;
  readonly #state: SessionState;
  readonly #fromPeer: PeerMessages;
  readonly #fromUpstream: UpstreamMessages;
  readonly #held = new HeldRequests();
  readonly #access: SessionAccess;
  readonly #opening: Opening;
  readonly #listing: ToolListing;
  readonly #peer: PeerLink;
  readonly #upstream: UpstreamLink;
  #callerKnown = false;
  #noise = 0;
  #peerSaidAll = false;
  #ending: StopCause | undefined;
  #loss: PeerLoss | undefined;
  #ended = false;
  #settle: (end: SessionEnd) => void = () => {};
  readonly #settled = new Promise<SessionEnd>((resolve) => {
    this.#settle = resolve;
  });

  constructor(options: SessionOptions) {
    this.#options = options;
    const { id, peer, judge, audit, limits } = options;
    const span = new SessionSpan(options.terms, {
      working: () => this.#state.asked.working || this.#held.bytes > 0,
      over: (end) => this.#over(end),
    });
    this.#access = new SessionAccess(id, peer, options.access);
    const state = new SessionState(id, peer.stream, judge, audit, limits, span, this.#access);
    this.#state = state;
    this.#peer = new PeerLink(peer.stream);
    this.#upstream = this.#linkUpstream();
    this.#opening = new Opening({
      declineProbe: (probe) => this.#declineProbe(probe),
      respawn: (replay) => this.#respawn(replay),
      unreadInput: () => this.#upstream.unreadInput(),
    });
    this.#listing = new ToolListing(state.catalogue, {
      send: (line) => this.#send(line),
      done: () => this.#replay("tools"),
    });
    this.#fromPeer = new PeerMessages(state, {
      callerKnown: () => this.#callerKnown,
      hold: (rpcId, line, until) => this.#hold(rpcId, line, until),
      release: (rpcId) => this.#held.release(rpcId),
      isHeld: (rpcId) => this.#held.has(rpcId),
      notice: options.notice,
      opening: (rpcId, method, line) => this.#open(rpcId, method, line),
      wait: (rpcId, line, work) => this.#waitForToken(rpcId, line, work),
      answerLater: (rpcId, answer) => void this.#answerLater(rpcId, answer),
    });
    this.#fromUpstream = new UpstreamMessages(state, {
      ownAnswer: (rpcId, line) =>
        this.#opening.answeredLate(rpcId) ||
        this.#listing.answer(rpcId, line.toString("utf8"), state.arrivedAt),
      opened: (method, answer) => this.#opened(method, answer),
      toolsChanged: () => state.catalogue.forget(),
      toolsListed: () => this.#toolsListed(),
      noise: (what, bytes) => this.#noted(what, bytes),
    });
  }

  /** Settles when the peer has been told everything it will be told; never rejects. */
  get ended(): Promise<SessionEnd> {
    return this.#settled;
  }

  get use(): SessionUse {
    const { span, asked } = this.#state;
    return { calls: span.calls, pending: asked.size, idleMs: monotonicMs() - span.usedAt };
  }

  start(): void {
    const { peer, audit, id } = this.#options;
    audit.identify(id, peer.identity);
    void peer.complete().then((identity) => this.#identified(identity));
    this.#listenToPeer();
    // Starting a stream lets it flow, so it is stopped after that; nothing has been read yet.
    this.#peer.valve.close("upstream-starting");
    void this.#upstream.start();
  }

  /** Ends the session in good order; a second call climbs the ladder that stops the server. */
  stop(cause: StopCause): void {
    this.#ending ??= cause;
    this.#upstream.stop(cause);
  }

  /** Ends the session for a reason that its peer is told. */
  end(reason: SpanEnd): void {
    this.#over(reason);
  }

  /**
   * A policy that was loaded meanwhile: it counts as well from here on, and ends the session of whom it does not admit.
   * What the peer was admitted under goes on to count. Never rejects.
   */
  async adopt(policy: Policy, world: AdmissionWorld): Promise<void> {
    const { peer, judge } = this.#options;
    const shown = this.#shownTools();
    judge.tighten(policy);
    this.#state.catalogue.adopt(judge.policy ?? policy);
    if (this.#shownTools() !== shown) this.#announceTools();
    if (!await peer.stillAdmitted(policy.clients, world)) this.#over("policy-changed");
  }

  /** The tools that the peer may see, as one text. */
  #shownTools(): string {
    const { judge } = this.#options;
    const { definitions } = this.#state.catalogue;
    const shown = definitions.filter(({ name }) => !judge.enforces || judge.shows("tools", name));
    return JSON.stringify(shown.map(({ name }) => name));
  }

  /** In the modern era a list that we filter may not be kept (`ttlMs: 0`), so there is nothing to announce. */
  #announceTools(): void {
    if (this.#state.modern || this.#ended) return;
    this.#state.begin();
    this.#state.toPeer.send('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
    this.#commit();
  }

  // ── who ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #identified(identity: SessionIdentity): void {
    if (this.#ended) return;
    const { audit, id, peer } = this.#options;
    const { transport, lineage } = identity.evidence;
    audit.identify(id, identity);
    this.#callerKnown = true;
    this.#access.identified(identity);
    this.#record("session-start", {
      transport,
      lineageEnd: lineage.end,
      ...(peer.client === undefined ? {} : { client: peer.client }),
      ...(peer.handedOverBy === undefined ? {} : { handedOverBy: peer.handedOverBy }),
      admittedAt: peer.grade,
      proof: peer.proof,
      evidence: evidenceDetail(identity.evidence),
    });
    this.#replay("caller");
  }

  // ── the server's process ─────────────────────────────────────────────────────────────────────────────────────────

  #linkUpstream(): UpstreamLink {
    const state = this.#state;
    return new UpstreamLink(this.#options.launch, state.toUpstream, state.limits.upstreamLine, {
      begin: () => state.begin(),
      line: (bytes, start, end, begun) => this.#upstreamLine(bytes, start, end, begun),
      commit: () => this.#commit(),
      tooLong: (rpcId) => {
        this.#noted("too-long", state.limits.upstreamLine);
        this.#fromUpstream.tooLong(rpcId);
      },
      noise: (what, bytes) => this.#noted(what, bytes),
      launched: (upstream) => this.#launched(upstream),
      launchFailed: (error) => this.#launchFailed(error),
      drained: () => this.#peer.valve.open("reader-slow"),
      closed: () => {
        if (this.#ending === undefined) this.stop("server-closed");
      },
      exited: (exit) => this.#upstreamExited(exit),
    });
  }

  #launched(upstream: Upstream): void {
    void upstream.measured.then((command) => {
      if (this.#ended) return;
      this.#record("upstream-start", {
        pid: upstream.pid,
        ...(upstream.shared === true ? { shared: true } : {}),
        path: command.path,
        sha256: stated(command.executable.sha256),
        ...(command.interpreter === undefined
          ? {}
          : { interpreterSha256: stated(command.interpreter.sha256) }),
      });
      this.#commit();
    });
    this.#replay("tools");
    this.#peer.valve.open("reader-slow");
    this.#peer.valve.open("upstream-starting");
  }

  /** The peer's first requests are on their way, or already here: they are told why nothing answers. */
  #launchFailed(error: GuardError): void {
    this.#peer.valve.open("upstream-starting");
    setTimeout(() => this.#finish(undefined, error), this.#ending === undefined ? FIRST_REQUEST_MS : 0);
  }

  #upstreamExited(exit: UpstreamExit): void {
    if (this.#ending === undefined && exit.cause === undefined && this.#opening.upstreamExited()) return;
    this.#finish(exit, undefined);
  }

  #respawn(replay: Buffer | undefined): void {
    this.#state.catalogue.forget();
    this.#peer.valve.close("upstream-starting");
    this.#record("upstream-respawn", { replayed: replay !== undefined });
    // What else the old process was asked it will not answer; our own question for its tools is asked again.
    this.#listing.close();
    const again = replay === undefined ? undefined : "initialize";
    this.#state.answerAll("ERR_UPSTREAM_EXITED", "The server was started anew", again);
    this.#state.forgetServerRequests();
    this.#commit();
    void this.#upstream.restart(replay);
  }

  // ── the opening ──────────────────────────────────────────────────────────────────────────────────────────────────

  #open(id: RpcId, method: string, line: PeerLine): void {
    if (method === "initialize") {
      // Whatever was probed before: from here on this is a legacy session.
      this.#state.modern = false;
      this.#opening.initialized(Buffer.from(line.bytes.subarray(line.start, line.end)));
    } else this.#opening.probed(id);
  }

  #declineProbe(id: RpcId): void {
    // The server's own answer, should it come after all, then belongs to no request and is dropped.
    this.#state.asked.remove(id);
    this.#state.modern = false;
    this.#state.toPeer.send(errorLine(idText(id), RPC_CODES.ERR_METHOD_UNKNOWN, "Method not found"));
    this.#commit();
  }

  #opened(method: string, result: Readonly<Record<string, unknown>> | undefined): void {
    this.#opening.answered();
    if (result === undefined) return;
    const { protocolVersion, supportedVersions, serverInfo } = result;
    const { name, version } = Object(serverInfo) as Readonly<Record<string, unknown>>;
    this.#record("notice", {
      opened: method,
      protocol: brief(protocolVersion ?? supportedVersions),
      claims: `${brief(name)} ${brief(version)}`,
    });
  }

  // ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #listenToPeer(): void {
    const state = this.#state;
    this.#peer.listen(state.limits.peerLine, {
      begin: () => state.begin(),
      line: (line) => this.#peerLine(line),
      tooLong: (rpcId) => this.#fromPeer.tooLong(rpcId),
      commit: () => this.#commit(),
      saidAll: (halfLine) => {
        if (halfLine) this.#halfLine();
        this.#peerSaidAll = true;
        this.#stopOnceJudged();
      },
      // A peer that closes its ends one after the other is gone once: a second stop would climb the ladder.
      gone: () => {
        if (this.#ending === undefined) this.stop("peer-gone");
      },
      lost: (loss) => this.#lost(loss),
      drained: () => {
        this.#upstream.valve?.open("reader-slow");
        this.#peer.valve.open("answers-unread");
      },
    });
  }

  /** Somebody else holds the peer's end, or its process became another: nothing more is said to it. */
  #lost(loss: PeerLoss): void {
    this.#loss = loss;
    if (loss.detail !== "ended") {
      this.#options.notice(`The session was ended [${loss.code}]: the client is not who was admitted`);
    }
    if (this.#ending === undefined) this.stop("peer-gone");
  }

  #peerLine(line: PeerLine): void {
    try {
      this.#fromPeer.take(line);
    } catch (error) {
      this.#failed(error);
      const finder = new IdFinder();
      finder.push(line.bytes.subarray(line.start, line.end));
      this.#state.toPeer.send(
        errorLine(finder.answerId(), RPC_CODES.ERR_INTERNAL, "The message could not be judged"),
      );
    }
  }

  #upstreamLine(bytes: Buffer, start: number, end: number, begun: number): void {
    try {
      this.#fromUpstream.take(bytes, start, end, begun);
    } catch (error) {
      this.#failed(error);
      this.#noted("unjudged", end - start);
      this.#fromUpstream.abandon();
    }
  }

  /** Here, and in the two callers, an exception while judging becomes a refusal: the message goes nowhere. */
  #failed(error: unknown): void {
    this.#record("notice", { code: "ERR_INTERNAL", message: messageOf(error).slice(0, 200) });
    this.#options.notice(`A message could not be judged and was dropped: ${messageOf(error)}`);
  }

  #halfLine(): void {
    this.#state.recordRefusal(
      { direction: "fromPeer", method: "(half a line)" },
      "ERR_FRAME_MALFORMED",
      "half-a-line",
    );
    this.#commit();
  }

  /** A line of the server's that is no message for anybody. */
  #noted(what: string, bytes: number): void {
    if (++this.#noise <= NOISE_RECORDS) this.#record("upstream-noise", { what, bytes });
  }

  /** Everything in the chunk was judged: record it, then let go of what may go. */
  #commit(): void {
    const state = this.#state;
    state.commitAudit();
    if (!this.#peer.writes) state.toPeer.discard();
    else if (!state.toPeer.flush()) {
      this.#upstream.valve?.close("reader-slow");
      if (this.#peer.unread > UNREAD_ANSWERS) this.#peer.valve.close("answers-unread");
    }
    if (!state.toUpstream.flush()) this.#peer.valve.close("reader-slow");
    if (state.over !== undefined) this.#stopOnceAnswered();
  }

  #send(line: string): void {
    this.#state.toUpstream.send(line);
  }

  // ── what waits ───────────────────────────────────────────────────────────────────────────────────────────────────

  #hold(id: RpcId, line: PeerLine, until: "caller" | "tools"): void {
    const bytes = line.bytes.subarray(line.start, line.end);
    this.#held.hold(id, bytes, until);
    if (this.#held.bytes > HELD_BYTES) this.#peer.valve.close("calls-held");
    if (until === "tools") this.#listing.begin(bytes.toString("utf8"));
  }

  #waitForToken(id: RpcId, line: PeerLine, work: () => Promise<unknown>): void {
    this.#held.hold(id, line.bytes.subarray(line.start, line.end), "token");
    if (this.#held.bytes > HELD_BYTES) this.#peer.valve.close("calls-held");
    work().then(() => this.#ended || this.#replay("token"), (error) => this.#accessFailed(error));
  }

  async #answerLater(id: RpcId, answer: () => Promise<string>): Promise<void> {
    // Nothing of the call is kept: it held the secret.
    this.#held.hold(id, Buffer.alloc(0), "answer");
    try {
      const line = await answer();
      if (this.#ended || !this.#held.release(id)) return;
      this.#state.begin();
      this.#state.toPeer.send(line);
      this.#commit();
    } catch (error) {
      this.#accessFailed(error);
    }
  }

  /** Who waits for a token would wait for ever: they are told as the session ends. */
  #accessFailed(error: unknown): void {
    this.#failed(error);
    if (this.#ending === undefined) this.stop("internal");
  }

  #replay(until: "caller" | "tools" | "token"): void {
    this.#state.begin();
    for (const line of this.#held.take(until)) {
      this.#peerLine({ bytes: line, start: 0, end: line.length, stale: false });
    }
    if (this.#held.bytes <= HELD_BYTES) this.#peer.valve.open("calls-held");
    this.#commit();
    this.#stopOnceJudged();
  }

  /** The peer sends no more: once nothing of what it sent is parked, the server's input may end too. */
  #stopOnceJudged(): void {
    if (!this.#peerSaidAll || !this.#callerKnown || this.#held.bytes > 0) return;
    if (this.#ending === undefined) this.stop("peer-gone");
  }

  #compared = false;

  #toolsListed(): void {
    const { policy } = this.#options.judge;
    if (policy !== undefined && !this.#compared) {
      this.#compared = true;
      for (const problem of policy.compareWithTools(this.#state.catalogue.definitions)) {
        this.#options.notice(`${problem.file}:${problem.line}:${problem.column}: ${problem.message}`);
      }
    }
    this.#replay("tools");
  }

  // ── its limits ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Nobody is left waiting for the ladder that stops the server: it takes seconds, and may be climbed in vain. */
  #over(end: SpanEnd): void {
    if (this.#ended || this.#ending !== undefined) return;
    this.#state.begin();
    this.#state.over = end;
    this.#stopOver(end);
  }

  #stopOver(end: SpanEnd): void {
    this.stop(end);
    this.#answerPending("ERR_SESSION_OVER", SPAN_SENTENCES[end]);
    this.#commit();
  }

  /** Calls within the limit were allowed: they are waited for. */
  #stopOnceAnswered(): void {
    const { over, asked } = this.#state;
    if (over === undefined || this.#ending !== undefined) return;
    if (!asked.working && this.#held.bytes === 0) this.#stopOver(over);
  }

  // ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #finish(exit: UpstreamExit | undefined, error: GuardError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#opening.close();
    this.#listing.close();
    this.#state.span.close();
    this.#state.begin();
    this.#answerPending(
      error?.code ?? "ERR_UPSTREAM_EXITED",
      error?.publicMessage ??
        (exit?.lives === true
          ? "The session ended before the server answered"
          : "The server ended before it answered"),
    );
    // What a session leaves behind is told apart from what ended.
    this.#record(exit?.lives === true ? "upstream-left" : "upstream-exit", {
      code: exit?.code ?? null,
      signal: exit?.signal ?? null,
      cause: exit?.cause ?? null,
      ...(error === undefined ? {} : { error: error.code }),
      ...(this.#noise > 0 ? { noise: this.#noise } : {}),
    });
    this.#record("session-end", this.#endDetail(exit, error));
    this.#state.toUpstream.discard();
    this.#commit();
    this.#options.peer.close();
    this.#access.close();
    this.#options.audit.forget(this.#options.id);
    void this.#peer.close(LAST_WORDS_MS).then(() => this.#settle({ exit, error }));
  }

  #endDetail(
    exit: UpstreamExit | undefined,
    error: GuardError | undefined,
  ): Readonly<Record<string, unknown>> {
    // A peer that simply ended is gone, however that was noticed first.
    if (this.#loss !== undefined && this.#loss.detail !== "ended") {
      return { reason: this.#loss.code, detail: this.#loss.detail };
    }
    if (this.#ending === undefined && exit?.cause === "peer-slow") return { reason: exit.cause };
    return { reason: this.#ending ?? (error === undefined ? "upstream-gone" : error.code) };
  }

  #answerPending(code: GuardErrorCode, sentence: string): void {
    this.#state.answerAll(code, sentence);
    for (const id of this.#held.drain()) {
      this.#state.toPeer.send(errorLine(idText(id), RPC_CODES[code], sentence));
    }
  }

  #record(type: LifecycleEvent["type"], detail: Readonly<Record<string, unknown>>): void {
    this.#options.audit.append({ type, session: this.#options.id, detail });
  }
}

function stated(fact: Fact<string>): string {
  return isKnown(fact) ? fact.value : `absent: ${fact.absent}`;
}

/** A claim of the other side's, cut to a size that is fit for a record. */
function brief(claim: unknown): string {
  const text = typeof claim === "string" ? claim : JSON.stringify(claim) ?? "";
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
