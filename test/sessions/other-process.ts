/** A second process of the same user, at a guard's socket. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { JsonRpc } from "../harness.ts";
import { openInbox } from "../tools/inbox.ts";
import { ROOT } from "../tools/runtimes.ts";
import { NODE } from "./puppet.ts";

export interface OtherProcess {
  request(id: unknown, method: string, params?: JsonRpc): Promise<JsonRpc>;
}

/** Lends one. It is ended however `use` ends. */
export async function withOtherProcess<T>(
  path: string,
  use: (other: OtherProcess) => Promise<T>,
): Promise<T> {
  const program = join(ROOT, "test/fixtures/peers/speaks-at-socket.mjs");
  const child = spawn(NODE, [program, path], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.stdin.on("error", () => {}); // The guard may have closed it: what tests look at is what came.
  const inbox = openInbox(child.stdout);
  try {
    return await use({
      request(id, method, params) {
        child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, ...(params && { params }) })}\n`);
        return inbox.receive((message) => message["id"] === id && !("method" in message));
      },
    });
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}
