/** The official inspector must print the same, byte for byte, whether or not the guard stands in front of a server. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { guardCommand, limited, withTempDir } from "../harness.ts";
import { ROOT } from "../tools/runtimes.ts";
import { installed, newerNodes } from "./installed.ts";

const INSPECTOR = installed("@modelcontextprotocol/inspector/clients/launcher/build/index.js");
const SERVER = [
  process.execPath,
  join(ROOT, "node_modules/@modelcontextprotocol/server-everything/dist/index.js"),
];
const POLICY = "version: 1\nname: everything\ndefault: allow\n";

const CALLS: readonly (readonly string[])[] = [
  ["tools/list"],
  ["tools/call", "--tool-name", "echo", "--tool-arg", 'message=grüße \u{1f600} "quoted" \\ back'],
  ["tools/call", "--tool-name", "get-sum", "--tool-arg", "a=9007199254740991", "b=0.1"],
  ["tools/call", "--tool-name", "get-tiny-image"],
  ["tools/call", "--tool-name", "get-structured-content", "--tool-arg", "location=Chicago"],
  [
    "tools/call",
    "--tool-name",
    "get-annotated-message",
    "--tool-arg",
    "messageType=error",
    "includeImage=true",
  ],
  ["tools/call", "--tool-name", "there-is-no-such-tool"],
  ["resources/list"],
  ["resources/templates/list"],
  ["resources/read", "--uri", "demo://resource/static/document/architecture.md"],
  ["resources/read", "--uri", "demo://there/is/none"],
  ["prompts/list"],
  ["prompts/get", "--prompt-name", "args-prompt", "--prompt-args", "city=Köln", "state=NRW"],
];

interface Outcome {
  readonly stdout: string;
  /** The inspector's own account of a failure: one line of JSON, among notices, on stderr. */
  readonly error: string | undefined;
  readonly code: number | null;
}

/** @param folder Home of the inspector, which keeps a catalogue there. */
function inspect(folder: string, server: string, call: readonly string[]): Promise<Outcome> {
  const [method = "", ...rest] = call;
  const args = [
    "--cli",
    "--config",
    join(folder, "servers.json"),
    "--server",
    server,
    "--method",
    method,
    ...rest,
  ];
  // It needs Node 22.19 or newer, also for the `node` that it may look for itself.
  const node = newerNodes().at(-1)?.binary ?? "";
  const env = { ...process.env, HOME: folder, PATH: `${dirname(node)}:${process.env["PATH"] ?? ""}` };
  return new Promise((resolve, reject) => {
    const child = spawn(node, [INSPECTOR, ...args], { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => void (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => void (stderr += text));
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ stdout, error: stderr.split("\n").find((it) => it.startsWith('{"error"')), code });
    });
  });
}

function writeServers(folder: string): void {
  const policy = join(folder, "policy.yaml");
  writeFileSync(policy, POLICY, { mode: 0o600 });
  const [program, ...args] = guardCommand();
  const guarded = [
    ...args,
    "run",
    "--policy",
    policy,
    "--audit",
    join(folder, "audit.jsonl"),
    "--",
    ...SERVER,
  ];
  const mcpServers = {
    direct: { command: SERVER[0], args: SERVER.slice(1) },
    guarded: { command: program, args: guarded },
  };
  writeFileSync(join(folder, "servers.json"), JSON.stringify({ mcpServers }));
}

const inspector = suite("inspector --cli");
for (const call of CALLS) {
  inspector(
    `${call.join(" ")}: the same with and without the guard`,
    limited(60_000, () =>
      withTempDir(async (folder) => {
        writeServers(folder);
        const [direct, guarded] = await Promise.all([
          inspect(folder, "direct", call),
          inspect(folder, "guarded", call),
        ]);
        assert.ok(direct.stdout.length > 0 || direct.code !== 0, "the inspector said nothing");
        assert.is(guarded.stdout, direct.stdout);
        assert.is(guarded.code, direct.code);
      })),
  );
}
inspector.run();
