/**
 * What stands before a request beside the policy's rules: a token that was shown, the one-time secret where it is asked
 * for, and the guard's own tool.
 *
 * Needed beside what admission found, never instead of it. Neither secret nor token is ever recorded.
 */
import type { Buffer } from "node:buffer";
import { parseValue } from "../../relay/json-values.ts";
import type { BootstrapOutcome } from "../../tokens/bootstrap-secret.ts";
import type { TokenVerdict } from "../../tokens/verdict.ts";
import type { PeerLine } from "../peer-line.ts";
import { idText, type RpcId } from "../pending.ts";
import { toolRefusalLine, withId } from "../refusal.ts";
import type { SessionState } from "../session-state.ts";
import { OWN_TOOL, toolResultLine } from "./own-tool.ts";

/** What the peer wrote under our keys of `_meta`; the line itself no longer holds it. */
export interface ShownMeta {
  readonly token: string | undefined;
  readonly bootstrap: string | undefined;
  /** The line as it came: for a request that waits until its token is verified. */
  readonly original: PeerLine;
}

export interface AccessRequest {
  readonly id: RpcId;
  readonly method: string;
  /** The tool of a call. */
  readonly tool: string | undefined;
  /** It opens the session. */
  readonly opens: boolean;
  /** Without our keys. */
  readonly line: PeerLine;
  readonly shown: ShownMeta | undefined;
}

export interface AccessActions {
  /** Parks a request until the work is done, and judges it again then. Work that fails ends the session. */
  readonly wait: (id: RpcId, line: PeerLine, work: () => Promise<unknown>) => void;
  /** Takes a request over: it is answered with this line, unless it was cancelled meanwhile. */
  readonly answerLater: (id: RpcId, answer: () => Promise<string>) => void;
}

export class AccessGate {
  readonly #state: SessionState;
  readonly #actions: AccessActions;

  constructor(state: SessionState, actions: AccessActions) {
    this.#state = state;
    this.#actions = actions;
  }

  /** @returns Whether the request was dealt with here: refused, or parked. */
  withholds(request: AccessRequest): boolean {
    const { access } = this.#state;
    if (this.#checksToken(request) || this.#takesSecret(request)) return true;
    if (access.locked && !this.#passesLocked(request)) return this.#refuseSecret(request, "missing");
    // A session that is told a token, or whose server is, waits for one that counts.
    if (!access.needsToken || !(request.opens || access.tellsToken)) return false;
    this.#actions.wait(request.id, request.line, () => access.mint());
    return true;
  }

  /** Whether a notification or an answer of the peer's may go on. */
  passes(method: string | undefined, shown: ShownMeta | undefined): boolean {
    const { access } = this.#state;
    const subject = { direction: "fromPeer" as const, method: method ?? "(response)" };
    if (access.locked && !(access.tool && method !== undefined && BEFORE_THE_SECRET.has(method))) {
      this.#state.recordRefusal(subject, "ERR_BOOTSTRAP_REQUIRED", "missing");
      return false;
    }
    if (shown?.token === undefined || method === undefined || !access.checksTokens) return true;
    // There is no id by which it could be parked: what was never verified counts as forged.
    const verdict = access.verdictOn(shown.token);
    if (verdict?.valid === true) return true;
    this.#state.recordRefusal(subject, verdict?.code ?? "ERR_TOKEN_INVALID", verdict?.flaw ?? "unverified");
    return false;
  }

  #checksToken({ id, method, shown }: AccessRequest): boolean {
    const { access } = this.#state;
    if (shown?.token === undefined || !access.checksTokens) return false;
    const { token, original } = shown;
    const verdict = access.verdictOn(token);
    if (verdict === undefined) this.#actions.wait(id, original, () => access.verify(token));
    else if (!verdict.valid) this.#refuseToken(id, method, verdict);
    return verdict?.valid !== true;
  }

  #refuseToken(id: RpcId, method: string, { code, flaw }: TokenVerdict & { valid: false }): void {
    this.#state.refuse(id, method, code, "The token does not count here", flaw);
  }

  #takesSecret(request: AccessRequest): boolean {
    const { access } = this.#state;
    const secret = request.shown?.bootstrap;
    if (!request.opens || secret === undefined || !access.takesSecret) return false;
    const outcome = this.#show(secret);
    return HAS_EARNED.has(outcome) ? false : this.#refuseSecret(request, outcome);
  }

  /** Shows the secret, and records what counts for more than one request. */
  #show(secret: string): BootstrapOutcome["outcome"] {
    const { access, audit, id } = this.#state;
    const outcome = access.show(secret);
    if (outcome === "earned" || outcome === "stolen") {
      audit.append({ type: "notice", session: id, detail: { bootstrap: outcome } });
    }
    return outcome;
  }

  #refuseSecret({ id, method }: AccessRequest, why: string): true {
    this.#state.refuse(id, method, "ERR_BOOTSTRAP_REQUIRED", SECRET_SENTENCES[why] ?? NOT_RIGHT, why);
    return true;
  }

  /** Without the guard's own tool nothing at all: the server does not hear of whoever has not shown the secret. */
  #passesLocked({ method, tool, opens }: AccessRequest): boolean {
    if (!this.#state.access.tool) return false;
    return opens || BEFORE_THE_SECRET.has(method) || (method === "tools/call" && tool === OWN_TOOL);
  }

  /** A call of the guard's own tool: it never reaches the server, which may have one of that name. */
  callOwnTool(
    id: RpcId,
    args: { readonly bytes: Buffer; readonly start: number; readonly end: number },
  ): void {
    const state = this.#state;
    const secret = secretOf(args);
    const outcome = secret === undefined ? "missing" : this.#show(secret);
    if (!HAS_EARNED.has(outcome)) {
      const rpcId = idText(id);
      const subject = { direction: "fromPeer" as const, method: "tools/call", name: OWN_TOOL, rpcId };
      const refusal = state.recordRefusal(subject, "ERR_BOOTSTRAP_REQUIRED", outcome);
      const sentence = withId(SECRET_SENTENCES[outcome] ?? NOT_RIGHT, refusal);
      return state.toPeer.send(toolRefusalLine(rpcId, sentence, state.modern));
    }
    this.#actions.answerLater(id, async () => {
      if (state.access.needsToken) await state.access.mint();
      return toolResultLine(idText(id), state.access.token ?? "", state.modern);
    });
  }
}

const HAS_EARNED: ReadonlySet<string> = new Set<BootstrapOutcome["outcome"]>(["earned", "again"]);

/** What a peer needs to get as far as the guard's own tool. */
const BEFORE_THE_SECRET: ReadonlySet<string> = new Set([
  "ping",
  "tools/list",
  "notifications/initialized",
  "notifications/cancelled",
]);

/** A thief is told what a guesser is told. */
const NOT_RIGHT = "The one-time secret is not right, or was used before";
const SECRET_SENTENCES: Readonly<Record<string, string>> = {
  missing: "The one-time secret is needed first",
  limited: "Too many wrong guesses; try again later",
};

/** The one argument of the guard's own tool. @returns Undefined for anything else. */
function secretOf({ bytes, start, end }: {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}): string | undefined {
  if (end <= start) return undefined;
  const args = parseValue(bytes, start, end);
  if (typeof args !== "object" || args === null || Object.keys(args).join() !== "bootstrap_secret") {
    return undefined;
  }
  const { bootstrap_secret: secret } = args as { bootstrap_secret: unknown };
  return typeof secret === "string" ? secret : undefined;
}
