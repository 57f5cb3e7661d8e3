// A signing server as anybody could have written it: it signs for whoever asks, and knows nothing of guards.
import { createHmac } from "node:crypto";
import { createInterface } from "node:readline";

const key = "the key that only this process holds";
const tools = [{
  name: "sign",
  description: "Signs a text",
  inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
}];

const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "signer", version: "1.0.0" },
  }),
  "tools/list": () => ({ tools }),
  "tools/call": ({ arguments: { text } }) => {
    const signature = createHmac("sha256", key).update(text).digest("hex").slice(0, 16);
    return { content: [{ type: "text", text: `signed:${signature}` }] };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const result = answers[method]?.(params);
  const error = result === undefined ? { error: { code: -32601, message: "Method not found" } } : { result };
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...error })}\n`);
}
