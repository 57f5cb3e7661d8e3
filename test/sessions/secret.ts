/** What the tests of the one-time secret share: policies that ask for it, and what became of it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { JsonRpc } from "../harness.ts";
import type { Listening } from "./listening.ts";

export const TOKEN = "dev.mcp-guard/token";
export const BOOTSTRAP = "dev.mcp-guard/bootstrap";
export const OPENING: JsonRpc = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "x", version: "1" },
};

export interface Terms {
  readonly session?: string;
  readonly client?: string;
}

export const policy = (
  {
    session = "token: {issue: bootstrap}, bootstrap: {file: $PROJECT/secret}",
    client = "bootstrap: required",
  }: Terms = {},
) =>
  `version: 1\nname: puppet\nsession: {${session}}\nclients: [{name: me, uid: self, ${client}}]\ndefault: allow\n`;
export const TOOL = "token: {issue: bootstrap, tool: get_token}, bootstrap: {file: $PROJECT/secret}";

export const withSecret = (secret: string): JsonRpc => ({ ...OPENING, _meta: { [BOOTSTRAP]: secret } });
export const secretOf = (guard: Listening) => readFileSync(join(guard.folder, "secret"), "utf8").trim();
export const tokenOf = (answer: JsonRpc) => ((answer["result"] as JsonRpc)?.["_meta"] as JsonRpc)?.[TOKEN];
export const codeOf = (answer: JsonRpc) => (answer["error"] as JsonRpc | undefined)?.["code"];
export const textOf = (answer: JsonRpc) => {
  const result = answer["result"] as { content: { text: string }[]; isError?: boolean };
  return { text: result.content[0]!.text, isError: result.isError === true };
};
export const denials = (guard: Listening) =>
  guard.records().filter((it) => it["effect"] === "deny").map((it) => String(it["reason"]));
export const endings = (guard: Listening) =>
  guard.records().filter((it) => it["type"] === "session-end").map((it) =>
    (it["detail"] as JsonRpc)["reason"]
  );
export const notices = (guard: Listening) =>
  guard.records().filter((it) => it["type"] === "notice").map((it) => (it["detail"] as JsonRpc)["bootstrap"])
    .filter((it) => it !== undefined);
export const received = (guard: Listening) => {
  const file = join(guard.folder, "received");
  return existsSync(file) ? readFileSync(file, "utf8") : "";
};

/** Nothing that was said aloud or written down holds it. */
export function assertUntold(guard: Listening, secret: string): void {
  assert.not(readFileSync(guard.audit, "utf8").includes(secret));
  assert.not(guard.stderr().includes(secret));
  assert.not(received(guard).includes(secret));
  assert.not(received(guard).includes("dev.mcp-guard"));
}
