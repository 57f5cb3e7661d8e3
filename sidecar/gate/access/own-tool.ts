/** The guard's own tool, for clients that know the one-time secret and cannot show it in `initialize`. */

/** It stands before a tool of that name which the server may have: a secret meant for us must never reach the server. */
export const OWN_TOOL = "get_token";

/** As `tools/list` shows it. */
export const OWN_TOOL_DEFINITION: string = JSON.stringify({
  name: OWN_TOOL,
  description: "Gives this session's token for the one-time secret of mcp-guard",
  inputSchema: {
    type: "object",
    properties: { bootstrap_secret: { type: "string" } },
    required: ["bootstrap_secret"],
    additionalProperties: false,
  },
});

/** What a call of it is answered with, as a line without its newline. @param id JSON text. */
export function toolResultLine(id: string, text: string, modern: boolean): string {
  const kind = modern ? '"resultType":"complete",' : "";
  const content = `"content":[{"type":"text","text":${JSON.stringify(text)}}]`;
  return `{"jsonrpc":"2.0","id":${id},"result":{${kind}${content}}}`;
}
