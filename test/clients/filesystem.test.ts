/** The official clients use server-filesystem behind the guard exactly as without it, under a policy by paths too. */
import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, withTempDir } from "../harness.ts";
import { compare, NODE, reference, type Scene, type Script } from "./comparison.ts";
import { CLIENTS } from "./official.ts";

/** Allows what the script does, by the paths of each tool, and nothing outside the folder. */
function policyFor(project: string): string {
  const inside = `{under: ${project}}`;
  return `version: 1
name: files
server: {env: {pass: [PATH, HOME]}}
rules:
  - {name: path, tools: [read_text_file, read_media_file, write_file, edit_file, create_directory, "list_directory*",
     directory_tree, search_files, get_file_info], args: {path: ${inside}}, other_args: allow, effect: allow}
  - {name: paths, tools: [read_multiple_files], args: {paths: ${inside}}, effect: allow}
  - {name: move, tools: [move_file], args: {source: ${inside}, destination: ${inside}}, effect: allow}
  - {name: rest, tools: [read_file, list_allowed_directories], effect: allow}
from_server: {roots: allow}
`;
}

const scriptFor = (project: string): Script => async (client, step) => {
  const at = (name: string) => join(project, name);
  const call = (tool: string, args: Record<string, unknown>, title = tool) =>
    step(title, () => client.callTool(tool, args));

  // It asks for the roots as soon as the client is ready, and says nothing when it has them.
  await client.recording.lineWith("roots/list");
  await step("ping", () => client.ping());
  await step("tools", () => client.listTools());
  await call("list_allowed_directories", {});
  await call("write_file", { path: at("new.txt"), content: 'Zeile 1\n"zwei" \\ \u{1f600}\u2028\n' });
  await call("read_text_file", { path: at("new.txt") });
  await call("read_text_file", { path: at("new.txt"), head: 1 }, "first line");
  await call("read_media_file", { path: at("dot.png") });
  await call("read_multiple_files", { paths: [at("new.txt"), at("old.txt"), at("none.txt")] });
  const edits = [{ oldText: "Zeile 1", newText: "Zeile eins" }];
  await call("edit_file", { path: at("new.txt"), edits, dryRun: true });
  await call("edit_file", { path: at("new.txt"), edits }, "edit for good");
  await call("create_directory", { path: at("sub/deep") });
  await call("move_file", { source: at("new.txt"), destination: at("sub/moved.txt") });
  await call("list_directory", { path: project });
  await call("list_directory_with_sizes", { path: at("sub"), sortBy: "size" });
  await call("directory_tree", { path: project });
  await call("search_files", { path: project, pattern: "**/*.txt" });
  await call("get_file_info", { path: at("old.txt") });
  await call("read_text_file", { path: at("none.txt") }, "read nothing");
  await call("read_text_file", { path: at("sub") }, "read a folder");
};

const it = suite("server-filesystem");
for (const kind of CLIENTS) {
  it(
    `${kind.name}: the same with and without the guard`,
    limited(110_000, () =>
      withTempDir(async (folder) => {
        // The path is in what the server says, so it is the same folder each time, made anew.
        const project = join(folder, "project");
        const scene: Scene = {
          server: [NODE, reference("server-filesystem"), project],
          cwd: folder,
          roots: [{ uri: pathToFileURL(project).href, name: "Project" }],
          prepare: () => makeProject(project),
          normalise: withoutClock,
        };
        const { lines, outcomes } = await compare(kind, scene, scriptFor(project), [policyFor(project)]);
        assert.ok(lines.some((line) => line.includes('"method":"roots/list"')));
        assert.match(JSON.stringify(outcomes["read_text_file"]), /Zeile 1/);
      })),
  );
}
it.run();

function makeProject(project: string): void {
  rmSync(project, { recursive: true, force: true });
  mkdirSync(project);
  writeFileSync(join(project, "old.txt"), "alt\n");
  utimesSync(join(project, "old.txt"), 1_700_000_000, 1_700_000_000);
  writeFileSync(join(project, "dot.png"), new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 255]));
  symlinkSync("old.txt", join(project, "link.txt"));
}

/** When a file was made and last read: the folder is made anew for each run, and no call can set these times. */
function withoutClock(line: string): string {
  return line.replaceAll(/(created|accessed): [^\\"]*/g, "$1: TIME");
}
