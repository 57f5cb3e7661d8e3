/** A shared server without processes: peers and a server that say what a test has them say. */
import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers/promises";
import { SharedChild } from "../../../sidecar/gate/shared/shared-child.ts";
import type { Share } from "../../../sidecar/gate/shared/share.ts";
import type { UpstreamExit } from "../../../sidecar/upstream/upstream.ts";
import { FakeUpstream } from "../../fakes/upstream.ts";

export type Message = Readonly<Record<string, unknown>>;

export interface Actor {
  readonly share: Share;
  /** Set once its part in the server ended. */
  exit: UpstreamExit | undefined;
  /** Forwards lines as its session would: objects as JSON, text as it is. @returns What the stream answered. */
  says(...lines: readonly (Message | string)[]): boolean;
  /** What came since the last call, without newlines. */
  heard(): Promise<string[]>;
}

export interface Stage {
  readonly child: SharedChild;
  readonly server: FakeUpstream;
  readonly noise: readonly string[];
  join(principal?: string): Actor;
  /** The server says lines, all in one read. */
  says(...lines: readonly (Message | string)[]): void;
  /** What the server heard since the last call, as messages. */
  heard(): Message[];
}

export function openStage(longestLine = 64 * 1024 * 1024, patienceMs = 60_000): Stage {
  const server = new FakeUpstream();
  const noise: string[] = [];
  const child = new SharedChild(server, { longestLine, patienceMs, noise: (what) => noise.push(what) });
  return {
    child,
    server,
    noise,
    join: (principal = "spiffe://localhost/uid-0/test") => openActor(child, principal),
    says: (...lines) => server.utter(textOf(lines)),
    heard: () => server.heard().map((line) => JSON.parse(line) as Message),
  };
}

function openActor(child: SharedChild, principal: string): Actor {
  const share = child.join({ principal: () => principal });
  let came: Buffer[] = [];
  const actor: Actor = {
    share,
    exit: undefined,
    says: (...lines) => share.input.write(Buffer.from(textOf(lines))),
    async heard() {
      // What is for a session is handed on in a later turn.
      await setImmediate();
      const text = Buffer.concat(came).toString();
      came = [];
      return text.split("\n").filter((line) => line !== "");
    },
  };
  const events = { end: () => {}, error: () => {}, drain: () => {} };
  share.output.start({ ...events, data: (chunk) => void came.push(chunk) });
  share.input.start({ ...events, data: () => {} });
  void share.exited.then((exit) => actor.exit = exit);
  return actor;
}

function textOf(lines: readonly (Message | string)[]): string {
  return lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join("");
}

export const request = (id: unknown, method: string, params: Message = {}): Message => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});
export const notification = (method: string, params: Message = {}): Message => ({
  jsonrpc: "2.0",
  method,
  params,
});
export const result = (id: unknown, value: Message = {}): Message => ({ jsonrpc: "2.0", id, result: value });
export const failure = (id: unknown, code: number): Message => ({
  jsonrpc: "2.0",
  id,
  error: { code, message: "no" },
});

export const OPENING: Message = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "x", version: "1" },
};

/** An actor that went through the legacy handshake, capabilities included. */
export async function opened(stage: Stage, capabilities: Message = {}, principal?: string): Promise<Actor> {
  const actor = stage.join(principal);
  actor.says(request("open", "initialize", { ...OPENING, capabilities }));
  const [asked] = stage.heard();
  if (asked !== undefined) {
    stage.says(
      result(asked["id"], { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "s" } }),
    );
  }
  await actor.heard();
  actor.says(notification("notifications/initialized"));
  stage.heard();
  return actor;
}
