/** The one-time secret on the NDJSON doors, with real processes that race for it, steal it and guess it. */
import type { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { guardCommand, limited, waitUntil, withTempDir } from "../harness.ts";
import { openInbox } from "../tools/inbox.ts";
import { connectTo, open, serversOf, withListener } from "./listening.ts";
import { withOtherProcess } from "./other-process.ts";
import { fixture, NODE } from "./puppet.ts";
import {
  assertUntold,
  BOOTSTRAP,
  codeOf,
  denials,
  endings,
  notices,
  OPENING,
  policy,
  received,
  secretOf,
  tokenOf,
  withSecret,
} from "./secret.ts";

const bootstrap = suite("bootstrap: required");
bootstrap(
  "the secret lies in a file of ours alone, opens the session once, and is gone then",
  limited(60_000, () =>
    withListener(async (guard) => {
      const secret = secretOf(guard);
      assert.match(secret, /^[A-Za-z0-9_-]{43}$/);
      assert.is(statSync(join(guard.folder, "secret")).mode & 0o777, 0o600);
      const peer = await connectTo(guard.path);
      const answer = await peer.request(0, "initialize", withSecret(secret));
      assert.match(String(tokenOf(answer)), /^[\w-]+\.[\w-]+\.[\w-]+$/);
      assert.not(existsSync(join(guard.folder, "secret")));
      assert.match(JSON.stringify(await peer.call(1, "echo", { a: 1 })), /a\\":1/);
      assert.equal(notices(guard), ["earned"]);
      assertUntold(guard, secret);
    }, { policy: policy() })),
);

bootstrap(
  "without it nothing reaches the server, whatever is asked",
  limited(60_000, () =>
    withListener(async (guard) => {
      const peer = await connectTo(guard.path);
      assert.is(codeOf(await peer.request(0, "initialize", OPENING)), 1004);
      peer.send({ jsonrpc: "2.0", method: "notifications/initialized" });
      peer.send({ jsonrpc: "2.0", id: 5, result: {} });
      const methods = [
        "ping",
        "tools/list",
        "resources/list",
        "server/discover",
        "vendor/x",
        "logging/setLevel",
      ];
      for (const method of methods) assert.is(codeOf(await peer.request(method, method)), 1004, method);
      assert.is(codeOf(await peer.call(9, "echo")), 1004);
      assert.is(codeOf(await peer.call(10, "get_token", { bootstrap_secret: secretOf(guard) })), 1004);
      assert.is(received(guard), "");
      assert.ok(denials(guard).every((it) => it === "ERR_BOOTSTRAP_REQUIRED:missing"));
      assert.is(denials(guard).length, 11);
      assert.ok(existsSync(join(guard.folder, "secret")));
    }, { policy: policy() })),
);

bootstrap(
  "attack: a wrong guess burns nothing, and a process that guesses is soon not listened to",
  limited(60_000, () =>
    withListener(async (guard) => {
      const secret = secretOf(guard);
      await withOtherProcess(guard.path, async (guesser) => {
        for (let id = 0; id < 5; id++) {
          assert.is(codeOf(await guesser.request(id, "initialize", withSecret(`guess-${id}`))), 1004);
        }
        // Even the right one: and it is not burned by that.
        assert.is(codeOf(await guesser.request(6, "initialize", withSecret(secret))), 1004);
        assert.equal(denials(guard), [
          ...Array.from({ length: 5 }, () => "ERR_BOOTSTRAP_REQUIRED:wrong"),
          "ERR_BOOTSTRAP_REQUIRED:limited",
        ]);
        assert.ok(existsSync(join(guard.folder, "secret")));
        const rightful = await connectTo(guard.path);
        assert.ok(tokenOf(await rightful.request(0, "initialize", withSecret(secret))));
        assert.not(readFileSync(guard.audit, "utf8").includes("guess-"));
        assertUntold(guard, secret);
      });
    }, { policy: policy() })),
);

bootstrap(
  "attack: shown a second time by another process, it ends the session that it earned, and gains nothing",
  limited(60_000, () =>
    withListener(async (guard) => {
      const secret = secretOf(guard);
      const rightful = await connectTo(guard.path);
      await rightful.request(0, "initialize", withSecret(secret));
      const waiting = rightful.call(1, "hold");
      await withOtherProcess(guard.path, async (thief) => {
        const answer = await thief.request(0, "initialize", withSecret(secret));
        assert.is(codeOf(answer), 1004);
        assert.is(tokenOf(answer), undefined);
        assert.is(codeOf(await thief.request(1, "tools/call", { name: "echo", arguments: {} })), 1004);
      });
      assert.is(codeOf(await waiting), 1003);
      await waitUntil(() => endings(guard).includes("bootstrap-stolen"), 10_000);
      assert.equal(notices(guard), ["earned", "stolen"]);
      assert.ok(denials(guard).includes("ERR_BOOTSTRAP_REQUIRED:stolen"));
      assert.match(guard.stderr(), /shown twice/);
      assertUntold(guard, secret);
    }, { policy: policy() })),
);

bootstrap(
  "attack: two processes race for it, exactly one gets a token, the other is audited",
  limited(60_000, () =>
    withListener(async (guard) => {
      const secret = secretOf(guard);
      const race = (path: string) =>
        withOtherProcess(path, (one) => one.request(0, "initialize", withSecret(secret)));
      const answers = await Promise.all([race(guard.path), race(guard.path)]);
      // The winner may be ended by the loser before it is answered: it then was told nothing that counts.
      assert.ok(answers.filter((answer) => tokenOf(answer) !== undefined).length <= 1);
      assert.ok(answers.some((answer) => codeOf(answer) === 1004));
      assert.equal(notices(guard), ["earned", "stolen"]);
      assert.is(denials(guard).filter((it) => it === "ERR_BOOTSTRAP_REQUIRED:stolen").length, 1);
      await waitUntil(() => endings(guard).length === 2, 10_000);
      assert.ok(endings(guard).some((it) => it === "bootstrap-stolen" || it === "peer-gone"));
    }, { policy: policy() })),
);

bootstrap(
  "the right secret alone does not let anybody in",
  limited(60_000, () =>
    withListener(async (guard) => {
      const secret = secretOf(guard);
      await withOtherProcess(guard.path, async (other) => {
        assert.is(codeOf(await other.request(0, "initialize", withSecret(secret))), 1004);
      });
      assert.ok(existsSync(join(guard.folder, "secret")));
      assert.equal(notices(guard), []);
      assert.is(serversOf(guard).length, 0);
    }, { policy: policy({ client: `executable: {sha256: [${"a".repeat(64)}]}, bootstrap: required` }) })),
);

bootstrap(
  "where no entry asks for it, a session without it goes on without a token, and a wrong one is refused",
  limited(60_000, () =>
    withListener(async (guard) => {
      const plain = await open(guard.path);
      assert.ok("result" in await plain.call(1, "echo"));
      const wrong = await connectTo(guard.path);
      assert.is(codeOf(await wrong.request(0, "initialize", withSecret("wrong"))), 1004);
      const answer = await wrong.request(1, "initialize", withSecret(secretOf(guard)));
      assert.ok(tokenOf(answer));
    }, { policy: policy({ client: "proof: not-required" }) })),
);

bootstrap(
  "shown again in the same session, as after a probe, it does no harm",
  limited(60_000, () =>
    withListener(async (guard) => {
      const secret = secretOf(guard);
      const peer = await connectTo(guard.path);
      await peer.request(0, "server/discover", { _meta: { [BOOTSTRAP]: secret } });
      assert.ok(tokenOf(await peer.request(1, "initialize", withSecret(secret))));
      assert.equal(notices(guard), ["earned"]);
    }, { policy: policy() })),
);

bootstrap(
  "fd: the secret goes to whoever started the guard, and to no file",
  limited(60_000, () =>
    withTempDir(async (folder) => {
      const file = join(folder, "policy.yaml");
      const session = "token: {issue: bootstrap}, bootstrap: {fd: 3}";
      writeFileSync(file, policy({ session, client: "bootstrap: required" }), { mode: 0o600 });
      const [program, ...before] = guardCommand();
      const args = [...before, "run", "--policy", file, "--audit", join(folder, "a.jsonl"), "--"];
      const server = [NODE, fixture("puppet.mjs"), join(folder, "received")];
      const child = spawn(program, [...args, ...server], {
        stdio: ["pipe", "pipe", "ignore", "pipe"],
        env: { ...process.env, XDG_RUNTIME_DIR: folder },
        cwd: folder,
      });
      const exit = new Promise((resolve) => child.once("exit", resolve));
      let told = "";
      child.stdio[3]!.on("data", (chunk: Buffer) => void (told += chunk.toString()));
      await waitUntil(() => told.endsWith("\n"), 20_000);
      const inbox = openInbox(child.stdout!);
      const line = { jsonrpc: "2.0", id: 1, method: "initialize", params: withSecret(told.trim()) };
      child.stdin!.write(`${JSON.stringify(line)}\n`);
      assert.ok(tokenOf(await inbox.receive((it) => it["id"] === 1)));
      assert.not(existsSync(join(folder, "mcp-guard", `puppet.${child.pid}.bootstrap`)));
      child.stdin!.end();
      await exit;
    })),
);

bootstrap(
  "a guard that ends takes the file with it",
  limited(60_000, () =>
    withListener(async (guard) => {
      assert.ok(existsSync(join(guard.folder, "secret")));
      process.kill(guard.pid, "SIGTERM");
      await guard.exit;
      assert.not(existsSync(join(guard.folder, "secret")));
    }, { policy: policy() })),
);
bootstrap.run();
