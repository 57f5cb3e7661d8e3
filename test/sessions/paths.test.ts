/** The example policy for server-filesystem against the ways out of a folder, with the real server behind the guard. */
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type GuardProcess, type JsonRpc, limited, withGuard, withTempDir } from "../harness.ts";
import { ROOT } from "../tools/runtimes.ts";
import { NODE, textOf } from "./puppet.ts";
import { reference } from "../clients/comparison.ts";

const SECRET = "the-secret-outside";

/** A project with links that lead out of it, and a folder beside it whose name begins with its own. */
function makeWorld(folder: string): { readonly project: string; readonly outside: string } {
  const project = join(folder, "projé");
  const outside = join(folder, "outside");
  for (const path of [project, outside, `${project}-evil`, join(project, "sub")]) mkdirSync(path);
  for (const path of [outside, `${project}-evil`]) writeFileSync(join(path, "secret.txt"), SECRET);
  writeFileSync(join(project, "inside.txt"), "inside");
  writeFileSync(join(project, ".env"), SECRET);
  symlinkSync(join(outside, "secret.txt"), join(project, "link.txt"));
  symlinkSync(outside, join(project, "linked"));
  symlinkSync("../../outside", join(project, "sub/up"));
  symlinkSync("inside.txt", join(project, "good.txt"));
  symlinkSync(project, join(folder, "alias"));
  return { project, outside };
}

const ATTACKS: readonly (readonly [string, (project: string, outside: string) => string])[] = [
  ["'..' out of the project", (p) => `${p}/../outside/secret.txt`],
  ["'..' that comes back", (p) => `${p}/sub/../inside.txt`],
  ["a link to a file outside", (p) => `${p}/link.txt`],
  ["a link to a folder outside", (p) => `${p}/linked/secret.txt`],
  ["a relative link", (p) => `${p}/sub/up/secret.txt`],
  ["a new file behind a link", (p) => `${p}/linked/new.txt`],
  ["%2e%2e", (p) => `${p}/%2e%2e/outside/secret.txt`],
  ["%2E%2E%2F", (p) => `${p}/%2E%2E%2Foutside/secret.txt`],
  ["a trailing NUL", (p) => `${p}/inside.txt\0`],
  ["a NUL before the way out", (p) => `${p}/inside.txt\0/../../outside/secret.txt`],
  ["the root in capitals", (p) => `${p.toUpperCase()}/inside.txt`],
  ["the root decomposed (NFD)", (p) => `${p.normalize("NFD")}/../outside/secret.txt`],
  ["another name of the root, by a link", (p) => join(p, "../alias/inside.txt")],
  ["a folder whose name begins like the root's", (p) => `${p}-evil/secret.txt`],
  ["the outside itself", (_, outside) => `${outside}/secret.txt`],
  ["/proc/self/root", (_, outside) => `/proc/self/root${outside}/secret.txt`],
  ["/proc/self/cwd", () => "/proc/self/cwd/../outside/secret.txt"],
  ["a URL", (_, outside) => `file://${outside}/secret.txt`],
  ["a relative path", () => "inside.txt"],
  ["a home", () => "~/secret.txt"],
  ["a backslash", (p) => `${p}\\..\\outside\\secret.txt`],
  ["a leading blank", (_, outside) => ` ${outside}/secret.txt`],
  ["quotes", (_, outside) => `"${outside}/secret.txt"`],
  ["a newline", (p) => `${p}/inside.txt\n`],
  ["an excepted file", (p) => `${p}/.env`],
  ["nothing", () => ""],
];

function read(guard: GuardProcess, path: unknown, tool = "read_text_file"): Promise<JsonRpc> {
  return guard.request("tools/call", { name: tool, arguments: { path } });
}

async function withFilesystem(
  use: (guard: GuardProcess, project: string, outside: string) => Promise<void>,
): Promise<void> {
  await withTempDir(async (made) => {
    const folder = realpathSync(made);
    const { project, outside } = makeWorld(folder);
    // The server itself may read all of it: what is refused is refused by the policy.
    const server = [NODE, reference("server-filesystem"), folder];
    const args = ["--policy", join(ROOT, "examples/policies/files.yaml"), "--var", `PROJECT=${project}`];
    await withGuard({ server, args, cwd: project }, async (guard) => {
      await guard.initialize();
      await use(guard, project, outside);
    });
  });
}

const it = suite("paths");

it(
  "what is inside passes, also by a link that stays inside",
  limited(30_000, () =>
    withFilesystem(async (guard, project) => {
      for (
        const path of [`${project}/inside.txt`, `${project}/good.txt`]
      ) {
        assert.is(textOf(await read(guard, path)), "inside", path);
      }
    })),
);

it(
  "every way out is refused by the guard",
  limited(60_000, () =>
    withFilesystem(async (guard, project, outside) => {
      const problems: string[] = [];
      for (const [name, make] of ATTACKS) {
        for (const tool of ["read_text_file", "list_directory"]) {
          // Names of files may be listed where their content may not be read.
          if (tool === "list_directory" && name === "an excepted file") continue;
          const answer = await read(guard, make(project, outside), tool);
          if (!/\(mcp-guard \S+\)$/.test(textOf(answer))) {
            problems.push(`${tool}, ${name}: ${textOf(answer)}`);
          }
        }
      }
      const paths = [`${project}/inside.txt`, `${outside}/secret.txt`];
      const several = await guard.request("tools/call", {
        name: "read_multiple_files",
        arguments: { paths },
      });
      if (!textOf(several).includes("mcp-guard")) problems.push("one of several");
      for (const path of [[`${outside}/secret.txt`], [], { path: project }, null, 7]) {
        if (!textOf(await read(guard, path)).includes("mcp-guard")) problems.push(JSON.stringify(path));
      }
      assert.equal(problems, []);
      assert.not.ok(guard.lines.some((line) => line.includes(SECRET)));
    })),
);

it(
  "hidden and denied tools: absent and refused, listed and refused with a message",
  limited(30_000, () =>
    withFilesystem(async (guard, project) => {
      const { tools } = (await guard.request("tools/list"))["result"] as { tools: { name: string }[] };
      assert.not.ok(tools.some((tool) => tool.name === "read_file"));
      assert.ok(tools.some((tool) => tool.name === "move_file"));
      assert.match(textOf(await read(guard, `${project}/inside.txt`, "read_file")), /mcp-guard/);
      const move = { source: `${project}/inside.txt`, destination: `${project}/moved.txt` };
      const answer = await guard.request("tools/call", { name: "move_file", arguments: move });
      assert.match(textOf(answer), /^Files are not moved here.*\(mcp-guard \S+\)$/);
    })),
);

it.run();
