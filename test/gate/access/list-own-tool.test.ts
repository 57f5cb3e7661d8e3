import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { listOwnTool } from "../../../sidecar/gate/access/list-own-tool.ts";
import { OWN_TOOL_DEFINITION } from "../../../sidecar/gate/access/own-tool.ts";

const line = (tools: string) => `{"jsonrpc":"2.0","id":1,"result":{"nextCursor":"x", "tools":${tools}}}\n`;

const listing = suite("listOwnTool()");
for (
  const [name, tools, first, expected, shadowed] of [
    ["an empty list", "[]", true, `[${OWN_TOOL_DEFINITION}]`, false],
    ["a first page", '[{"name":"a"} ]', true, `[${OWN_TOOL_DEFINITION},{"name":"a"}]`, false],
    ["a later page", '[{"name":"a"} ]', false, '[{"name":"a"} ]', false],
    [
      "a server's own on the first",
      '[{"name":"get_token"},{"name":"a"}]',
      true,
      `[${OWN_TOOL_DEFINITION},{"name":"a"}]`,
      true,
    ],
    [
      "a server's own on a later one",
      '[{"name":"a"},{"name":"get\\u005ftoken"}]',
      false,
      '[{"name":"a"}]',
      true,
    ],
  ] as const
) {
  listing(`${name}: ours stands once, the server's never`, () => {
    const listed = listOwnTool(Buffer.from(line(tools)), first);
    assert.is(listed.line.toString(), line(expected));
    assert.is(listed.shadowed, shadowed);
  });
}
listing.run();
