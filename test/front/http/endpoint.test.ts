/** A request whose refusal cannot be recorded: it is answered by nothing, and the guard goes on. */
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Capacity } from "../../../sidecar/front/capacity.ts";
import { Endpoint } from "../../../sidecar/front/http/endpoint.ts";
import { HttpSessions } from "../../../sidecar/front/http/session/http-sessions.ts";
import type { Problem } from "../../../sidecar/front/http/request/problem.ts";
import { limited } from "../../harness.ts";

const refusing: Problem = { status: 403, code: 1004, message: "Not admitted", audit: "http:test" };

/** What the client of one GET sees, and what became of the handling. */
async function ask(refused: () => Promise<string>, identify: () => Promise<Problem>) {
  const sessions = new HttpSessions({
    serve: () => Promise.resolve(),
    capacity: new Capacity(() => 1),
    tokens: undefined,
  });
  const place = { isOurs: () => true, scheme: "http" } as const;
  const endpoint = new Endpoint({ place, sessions, tokens: undefined, maxBody: 1024, refused });
  let handled: Promise<void> | undefined;
  const server = createServer((req, res) => {
    handled = endpoint.handle({ req, res, fresh: true, identify });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const seen = await new Promise<number | string>((resolve) => {
    const req = request({ host: "127.0.0.1", port, path: "/mcp", agent: false }, (res) => {
      res.resume();
      resolve(res.statusCode ?? 0);
    });
    req.on("error", () => resolve("closed"));
    req.end();
  });
  await handled;
  sessions.close();
  await new Promise((resolve) => server.close(resolve));
  return seen;
}

const endpoint = suite("Endpoint");

endpoint(
  "what throws on the way is a refusal, and one that cannot be recorded ends the connection",
  limited(20_000, async () => {
    const recorded = () => Promise.resolve("r-1");
    const unwritable = () => Promise.reject(new Error("the log is closed"));
    const broken = () => Promise.reject(new Error("broken"));
    const refuse = () => Promise.resolve(refusing);
    assert.is(await ask(recorded, refuse), 403);
    assert.is(await ask(recorded, broken), 500);
    assert.is(await ask(unwritable, refuse), "closed");
    assert.is(await ask(unwritable, broken), "closed");
  }),
);

endpoint.run();
