import type { Actor } from "./actor.ts";

/** Lets the agent open its session as an honest client does, and waits for the answer. */
export async function open(agent: Actor): Promise<void> {
  agent.tell({
    jsonrpc: "2.0",
    id: "honest-0",
    method: "initialize",
    params: {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "agent", version: "1" },
    },
  });
  await agent.receive((message) => message["id"] === "honest-0");
}

/** Lets it call a tool. @returns The answer. */
export async function call(agent: Actor, text: string): Promise<unknown> {
  agent.tell({
    jsonrpc: "2.0",
    id: "honest-1",
    method: "tools/call",
    params: { name: "echo", arguments: { text } },
  });
  const answer = await agent.receive((message) => message["id"] === "honest-1");
  return answer["result"] ?? answer["error"];
}
