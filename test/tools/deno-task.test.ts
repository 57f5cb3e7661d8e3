/** `deno task` runs the command from source: deno takes a program of node_modules/.bin for JavaScript, itself too. */
import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { denoBinary, ROOT } from "./runtimes.ts";

const it = suite("deno task");

it("'deno task mcp-guard' hands its arguments to the command", () => {
  const deno = denoBinary();
  const env = {
    ...process.env,
    PATH: `${ROOT}/node_modules/.bin:${process.env["PATH"] ?? ""}`,
    NO_COLOR: "1",
  };
  const version = spawnSync(deno, ["task", "--quiet", "mcp-guard", "--version"], { cwd: ROOT, env });
  assert.is(version.status, 0, version.stderr.toString());
  assert.match(version.stdout.toString(), /^mcp-guard \S+\n$/);
  const wrong = spawnSync(deno, ["task", "--quiet", "mcp-guard", "run", "--no such"], { cwd: ROOT, env });
  assert.is(wrong.status, 2);
  assert.match(wrong.stderr.toString(), /Unknown option '--no such'/);
});

it.run();
