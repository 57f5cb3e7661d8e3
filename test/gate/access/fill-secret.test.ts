import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fillSecret } from "../../../sidecar/gate/access/fill-secret.ts";

function fill(line: string, secret = "s"): string {
  const bytes = Buffer.from(`before\n${line}\nbehind`);
  const filled = fillSecret({ bytes, start: 7, end: bytes.length - 6, stale: false }, secret);
  return filled.bytes.toString("utf8", filled.start, filled.end);
}

const filling = suite("fillSecret()");
for (
  const [name, params, expected] of [
    ["no arguments", '{"name":"get_token"}', '{"arguments":{"bootstrap_secret":"s"},"name":"get_token"}'],
    ["empty ones", '{"name":"g","arguments":{}}', '{"name":"g","arguments":{"bootstrap_secret":"s"}}'],
    [
      "others",
      '{"name":"g","arguments":{"a": 1.0}}',
      '{"name":"g","arguments":{"bootstrap_secret":"s","a": 1.0}}',
    ],
    [
      "the client's own",
      '{"arguments":{"a":1, "bootstrap_secret" : ["x"] ,"b":2},"name":"g"}',
      '{"arguments":{"a":1, "bootstrap_secret":"s" ,"b":2},"name":"g"}',
    ],
  ] as const
) {
  filling(`in a call with ${name}`, () => {
    const line = (it: string) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${it}}`;
    assert.is(fill(line(params)), `${line(expected)}\n`);
  });
}

filling("whatever the call and the secret are, only this argument changes", () => {
  const args = fc.dictionary(fc.string({ maxLength: 6 }).filter((it) => it !== "__proto__"), fc.jsonValue());
  fc.assert(fc.property(args, fc.string(), (given, secret) => {
    const call = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "get_token", arguments: given },
    };
    const filled = JSON.parse(fill(JSON.stringify(call), secret));
    const { bootstrap_secret, ...rest } = filled.params.arguments;
    assert.is(bootstrap_secret, secret);
    assert.equal(rest, JSON.parse(JSON.stringify(given)));
  }));
});
filling.run();
