import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, waitUntil } from "../harness.ts";
import { platform, server, withUpstream } from "./support.ts";

const test = suite("the child's stdin");

/** The attack: another process of the user opens the child's stdin by path and writes a message of its own. */
function inject(pid: number): string {
  const line = '{"jsonrpc":"2.0","id":"evil","method":"ping"}';
  const { status, stderr } = spawnSync("sh", ["-c", `echo '${line}' > /proc/${pid}/fd/0`], {
    encoding: "utf8",
  });
  return status === 0 ? "written" : /No such device or address|nonexistent/.test(stderr) ? "ENXIO" : stderr;
}

test(
  "a naive pipe can be written into by anybody of the user",
  limited(15_000, async () => {
    const [theirs, ours] = platform.pipe();
    const child = spawn("node", server("echo").slice(1), { stdio: [theirs, "pipe", "inherit"] });
    platform.closeDescriptor(theirs);
    let answer = "";
    child.stdout!.on("data", (chunk) => answer += String(chunk));
    const exited = new Promise((resolve) => child.once("exit", resolve));
    try {
      assert.is(inject(child.pid!), "written");
      await waitUntil(() => answer.includes('"id":"evil"'));
    } finally {
      platform.closeDescriptor(ours);
      await exited;
    }
  }),
);

test(
  "ours cannot be opened by path, and neither can its stdout",
  limited(15_000, () =>
    withUpstream(server("echo"), {}, async ({ upstream, send, line, text }) => {
      assert.is(inject(upstream.pid), "ENXIO");
      assert.match(readlinkSync(`/proc/${upstream.pid}/fd/0`), /^socket:/);
      assert.match(readlinkSync(`/proc/${upstream.pid}/fd/1`), /^socket:/);
      assert.is.not(readlinkSync(`/proc/${upstream.pid}/fd/0`), readlinkSync(`/proc/${upstream.pid}/fd/1`));
      send({ jsonrpc: "2.0", id: 1, method: "ping" });
      await line(/"id":1/);
      assert.not.match(text(), /evil/);
    })),
);

test(
  "a server that opens /dev/stdin by path works with stdio: pipe, and only then",
  limited(15_000, async () => {
    const command = ["sh", "-c", "cat /dev/stdin; echo over; read -r _ < /dev/null"];
    await withUpstream(command, { stdio: "pipe" }, async ({ upstream, send, line }) => {
      send("hello");
      await line(/hello/);
      void upstream.stop("peer-gone");
      await line(/over/);
    });
    await withUpstream(command, { stdio: "socket", stderr: { prefix: "" } }, async ({ upstream, text }) => {
      await upstream.exited;
      assert.is(text(), "over\n");
    });
  }),
);

test(
  "the child holds its own ends of its stdio, and no descriptor of the guard's",
  limited(
    15_000,
    () =>
      withUpstream(server("echo"), { stderr: { prefix: "" } }, async ({ upstream, send, line }) => {
        send({ jsonrpc: "2.0", id: 1, method: "ping" });
        await line(/"id":1/);
        const links = (pid: number | string) =>
          readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
            try {
              return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
            } catch {
              return []; // Closed between the listing and the look.
            }
          });
        const own = new Set([0, 1, 2].map((fd) => readlinkSync(`/proc/${upstream.pid}/fd/${fd}`)));
        const ours = links("self").filter((link) => /^(socket|pipe):/.test(link) && !own.has(link));
        const inherited = new Set(links(process.ppid));
        const leaked = links(upstream.pid).filter((link) => ours.includes(link) && !inherited.has(link));
        assert.equal(leaked, []);
      }),
  ),
);

test.run();
