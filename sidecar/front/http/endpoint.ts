/**
 * What becomes of one request: whose it is, which era it speaks, and which session it is for. What its message may do
 * is decided behind this, by the gate.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { BodyBudget, readBody } from "./request/body.ts";
import { bodyLine } from "./request/body-line.ts";
import type { HttpPeer } from "./session/http-peer.ts";
import type { HttpSessions } from "./session/http-sessions.ts";
import type { LegacySession } from "./session/legacy-session.ts";
import type { HttpTokens } from "./tokens/http-tokens.ts";
import { LONGEST_REQUEST, readSecret, sendKeys, sendToken } from "./tokens/messages.ts";
import { checkModern, isModern, MODERN_VERSIONS } from "./request/modern-headers.ts";
import { type Outline, outlineOfPeer } from "./request/outline.ts";
import {
  badRequest,
  forbidden,
  notAllowed,
  notFound,
  PARSE_ERROR,
  type Problem,
  sendProblem,
  tooMany,
  unproven,
} from "./request/problem.ts";
import {
  checkAcceptsEvents,
  checkHead,
  checkJson,
  checkMedia,
  type Head,
  type Headers,
  type Place,
  type Route,
} from "./request/request-head.ts";

export interface EndpointOptions {
  readonly place: Place;
  readonly sessions: HttpSessions;
  readonly tokens: HttpTokens | undefined;
  /** Longest message, in bytes. */
  readonly maxBody: number;
  /** Records that a request was refused. @returns The id that the peer is told. */
  readonly refused: (peer: HttpPeer | undefined, problem: Problem) => Promise<string | undefined>;
}

export interface Arrived {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Whether all of it was sent after the peer was measured. */
  readonly fresh: boolean;
  /** Who sent it, asked before and after its body was read. */
  readonly identify: (headers: Headers, route: Route) => Promise<HttpPeer | Problem>;
}

/** Versions of the legacy era; a request without the header is of the second one (2025-03-26). */
const LEGACY_VERSIONS: ReadonlySet<string> = new Set([
  "2024-10-07",
  "2024-11-05",
  "2025-03-26",
  "2025-06-18",
  "2025-11-25",
]);
const INTERNAL: Problem = { status: 500, code: -32603, message: "Internal error", audit: "http:threw" };
/** Of bodies that are being read. */
const BODY_BYTES = 64 * 1024 * 1024;

export class Endpoint {
  readonly #options: EndpointOptions;
  readonly #budget: BodyBudget;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#budget = new BodyBudget(Math.max(BODY_BYTES, 4 * options.maxBody));
  }

  /** Answers the request, sooner or later. Never rejects: what throws on the way is a refusal. */
  async handle(arrived: Arrived): Promise<void> {
    const { req, res } = arrived;
    let peer: HttpPeer | undefined;
    try {
      const { place, tokens } = this.#options;
      const head = checkHead(req, place, tokens?.issues === true);
      if ("status" in head) return await this.#refuse(res, await whoElse(arrived), head);
      // Public keys: who asks for them need not be anybody.
      if (head.route === "keys") return sendKeys(res, tokens?.jwks);
      const who = await arrived.identify(head.headers, head.route);
      if ("status" in who) return await this.#refuse(res, peer, who);
      peer = who;
      const problem = head.route === "token"
        ? await this.#token(arrived, peer, head.headers)
        : await this.#serve(arrived, peer, head.headers);
      if (problem !== undefined) await this.#refuse(res, peer, problem);
    } catch {
      // Not even that can be recorded: then nothing is said.
      await this.#refuse(res, peer, INTERNAL).catch(() => res.destroy());
    }
  }

  async #refuse(res: ServerResponse, peer: HttpPeer | undefined, problem: Problem): Promise<void> {
    if (problem.audit === undefined) return sendProblem(res, problem);
    const refusal = await this.#options.refused(peer, problem);
    const suffix = refusal === undefined ? "" : ` (mcp-guard ${refusal})`;
    sendProblem(res, { ...problem, message: `${problem.message}${suffix}` });
  }

  async #serve(arrived: Arrived, peer: HttpPeer, headers: Headers): Promise<Problem | undefined> {
    switch (arrived.req.method) {
      case "POST":
        return await this.#post(arrived, peer, headers);
      case "GET":
        return await this.#get(arrived, peer, headers);
      default:
        return await this.#delete(arrived, peer, headers);
    }
  }

  async #post(arrived: Arrived, peer: HttpPeer, headers: Headers): Promise<Problem | undefined> {
    const media = checkMedia(headers);
    if (media !== undefined) return media;
    const read = await this.#read(arrived, peer, { headers, route: "mcp" }, this.#options.maxBody);
    if (read === undefined || "status" in read) return read;
    const line = bodyLine(read.body);
    if (line === undefined) return badRequest("The body is not JSON", { code: PARSE_ERROR });
    const outline = outlineOfPeer(line);
    return isModern(outline, headers)
      ? this.#modern(line, outline, arrived, read.peer, headers)
      : await this.#legacy(line, outline, arrived, read.peer, headers);
  }

  /** @returns Undefined when the client has gone. */
  async #read(
    { req, res, identify }: Arrived,
    peer: HttpPeer,
    { headers, route }: Head,
    limit: number,
  ): Promise<{ readonly body: Buffer; readonly peer: HttpPeer } | Problem | undefined> {
    if (/^100-continue$/i.test(req.headers.expect ?? "")) res.writeContinue();
    const body = await readBody(req, { limit, budget: this.#budget, key: peer.key });
    if (body === undefined) return void res.destroy();
    if ("status" in body) return body;
    // A body may take its time: whoever began it must still be who ends it.
    const again = await identify(headers, route);
    if ("status" in again) return again;
    return again.isSame(peer) ? { body, peer: again } : forbidden("Not admitted", "http:peer-changed");
  }

  async #token(arrived: Arrived, peer: HttpPeer, headers: Headers): Promise<Problem | undefined> {
    const media = checkJson(headers);
    if (media !== undefined) return media;
    const read = await this.#read(arrived, peer, { headers, route: "token" }, LONGEST_REQUEST);
    if (read === undefined || "status" in read) return read;
    // Another program may have queued it, and become the one that was measured: a secret would be burned in its name.
    if (!arrived.fresh) {
      // It is remembered, so that its next connection is known to be younger.
      this.#options.tokens?.grantOf(read.peer);
      return unproven();
    }
    const asked = readSecret(read.body);
    if ("status" in asked) return asked;
    const issued = await this.#options.tokens?.issue(read.peer, asked.secret);
    if (issued === undefined || "status" in issued) return issued ?? notFound();
    sendToken(arrived.res, issued);
    return undefined;
  }

  #modern(
    line: Buffer,
    outline: Outline,
    arrived: Arrived,
    peer: HttpPeer,
    headers: Headers,
  ): Problem | undefined {
    const problem = outline.kind === "flawed" ? undefined : checkModern(outline, headers);
    if (problem !== undefined) return problem;
    const session = this.#options.sessions.modernOf(peer);
    if (session === undefined) return tooMany("Too many sessions are open");
    session.post(line, outline, arrived.fresh, arrived.res);
    return undefined;
  }

  async #legacy(
    line: Buffer,
    outline: Outline,
    arrived: Arrived,
    peer: HttpPeer,
    headers: Headers,
  ): Promise<Problem | undefined> {
    const id = headers.get("mcp-session-id");
    if (id === undefined && outline.method === "initialize" && outline.kind === "request") {
      const opened = await this.#options.sessions.openLegacy(peer);
      if ("status" in opened) return opened;
      opened.post(line, outline, arrived.fresh, arrived.res);
      return undefined;
    }
    const session = await this.#session(peer, headers);
    if ("status" in session) {
      // What is no message at all is said first: a client that sent it has no session to look for.
      return outline.kind === "flawed" && id === undefined
        ? badRequest("The body is not one JSON-RPC message", { code: PARSE_ERROR })
        : session;
    }
    // Its id was told to nobody before the peer was measured: who shows it is who was.
    session.post(line, outline, true, arrived.res);
    return undefined;
  }

  async #get({ res }: Arrived, peer: HttpPeer, headers: Headers): Promise<Problem | undefined> {
    if (namesModern(headers)) return notAllowed("POST");
    const media = checkAcceptsEvents(headers);
    if (media !== undefined) return media;
    const session = await this.#session(peer, headers);
    if ("status" in session) return session;
    session.listen(res, headers.get("last-event-id"));
    return undefined;
  }

  async #delete({ res }: Arrived, peer: HttpPeer, headers: Headers): Promise<Problem | undefined> {
    if (namesModern(headers)) return notAllowed("POST");
    const session = await this.#session(peer, headers);
    if ("status" in session) return session;
    this.#options.sessions.end(session);
    res.writeHead(200, { "content-length": 0 }).end();
    return undefined;
  }

  async #session(peer: HttpPeer, headers: Headers): Promise<LegacySession | Problem> {
    const version = headers.get("mcp-protocol-version");
    if (version !== undefined && !LEGACY_VERSIONS.has(version)) {
      return badRequest("Unsupported MCP-Protocol-Version");
    }
    const id = headers.get("mcp-session-id");
    if (id === undefined) return badRequest("The Mcp-Session-Id header is required");
    return await this.#options.sessions.findLegacy(id, peer);
  }
}

/** Who sent a request that is refused anyway, for the log. */
async function whoElse({ identify }: Arrived): Promise<HttpPeer | undefined> {
  const who = await identify(new Map(), "mcp");
  return "status" in who ? undefined : who;
}

function namesModern(headers: Headers): boolean {
  return MODERN_VERSIONS.includes(headers.get("mcp-protocol-version") ?? "");
}
