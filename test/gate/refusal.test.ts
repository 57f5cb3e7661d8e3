import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  errorLine,
  flawLine,
  INVALID_PARAMS,
  RPC_CODES,
  toolRefusalLine,
  withId,
} from "../../sidecar/gate/refusal.ts";
import { ERROR_CODES } from "../../sidecar/model/errors.ts";
import type { Flaw } from "../../sidecar/relay/strict-scanner.ts";

const it = suite("refusals");

/** What peers and scripts rely on: written out, not imported. */
it("maps each code to the number that is promised", () => {
  assert.equal(RPC_CODES, {
    ERR_DENIED: 1001,
    ERR_TOO_MANY_PENDING: 1003,
    ERR_SESSION_OVER: 1003,
    ERR_PEER_UNIDENTIFIED: 1004,
    ERR_PEER_GONE: 1004,
    ERR_PEER_REFUSED: 1004,
    ERR_PEER_UNPROVEN: 1004,
    ERR_SENDER_OTHER: 1004,
    ERR_ATTESTATION_FAILED: 1004,
    ERR_UPSTREAM_LAUNCH: 1005,
    ERR_UPSTREAM_EXITED: 1005,
    ERR_UPSTREAM_MALFORMED: 1005,
    ERR_AUDIT_UNWRITABLE: 1006,
    ERR_AUDIT_INVALID: 1006,
    ERR_FRAME_MALFORMED: -32600,
    ERR_FRAME_TOO_LARGE: -32600,
    ERR_METHOD_UNKNOWN: -32601,
    ERR_INTERNAL: -32603,
    ERR_CONFIG_INVALID: -32603,
    ERR_POLICY_INVALID: -32603,
    ERR_POLICY_UNSAFE: -32603,
    ERR_POLICY_EXPIRED: -32603,
    ERR_PLATFORM_UNSUPPORTED: -32603,
    ERR_SOCKET_UNSAFE: -32603,
  });
  assert.equal(Object.keys(RPC_CODES).sort(), [...ERROR_CODES].sort());
  assert.is(INVALID_PARAMS, -32602);
});

it("keeps our own codes out of the range that JSON-RPC reserves", () => {
  const reserved = new Set([-32700, -32600, -32601, -32602, -32603]);
  for (const code of Object.values<number>(RPC_CODES)) {
    assert.ok(reserved.has(code) || code < -32768 || code > -32000, String(code));
  }
});

const FLAWS: Readonly<Record<Flaw, number>> = {
  syntax: -32700,
  bom: -32600,
  utf8: -32600,
  batch: -32600,
  "not-an-object": -32600,
  trailing: -32600,
  depth: -32600,
  "duplicate-key": -32600,
  "folded-key": -32600,
  "proto-key": -32600,
  surrogate: -32600,
  id: -32600,
  method: -32600,
  params: -32600,
  shape: -32600,
};

interface Answer {
  readonly jsonrpc: string;
  readonly id: unknown;
  readonly error: { readonly code: number; readonly message: string };
}

for (const [flaw, code] of Object.entries(FLAWS)) {
  it(`a line with the flaw '${flaw}' is answered ${code}, with its id and the refusal's`, () => {
    const answer = JSON.parse(flawLine('"a\\"b"', flaw as Flaw, "r-17")) as Answer;
    assert.equal(Object.keys(answer), ["jsonrpc", "id", "error"]);
    assert.is(answer.jsonrpc, "2.0");
    assert.is(answer.id, 'a"b');
    assert.is(answer.error.code, code);
    assert.match(answer.error.message, /^[A-Z].+ \(mcp-guard r-17\)$/);
  });
}

it("has a sentence of its own for each flaw", () => {
  const sentences = Object.keys(FLAWS).map((flaw) =>
    (JSON.parse(flawLine("1", flaw as Flaw, "r")) as Answer).error.message
  );
  assert.is(new Set(sentences).size, sentences.length);
});

it("escapes what a rule's author wrote, so that it cannot end the line", () => {
  const message = 'no "quotes",\nno lines, \u2028 \\ \ud83d';
  const line = errorLine("null", 1001, message);
  assert.not.match(line, /\n/);
  assert.equal(JSON.parse(line), { jsonrpc: "2.0", id: null, error: { code: 1001, message } });
});

it("refuses a tool call as a result that the model can read", () => {
  assert.equal(JSON.parse(toolRefusalLine("7", 'Not "here"\n', false)), {
    jsonrpc: "2.0",
    id: 7,
    result: { content: [{ type: "text", text: 'Not "here"\n' }], isError: true },
  });
});

it("says in the modern era that the result is complete", () => {
  const { result } = JSON.parse(toolRefusalLine('"a"', "No", true)) as { result: Record<string, unknown> };
  assert.is(result["resultType"], "complete");
  assert.is(result["isError"], true);
});

it("names the refusal behind the sentence", () =>
  assert.is(withId("Refused by policy", "abc"), "Refused by policy (mcp-guard abc)"));

it.run();
