/** Where MCP's two eras meet: with the guard between them, client and server come to the same as without it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, withTempDir } from "../harness.ts";
import { fixture } from "../sessions/puppet.ts";
import { compare, guardedBy, NODE, type Scene, type Script } from "./comparison.ts";
import { type OfficialClientKind, SDK1, sdk2 } from "./official.ts";

const MODERN = "2026-07-28";
const LEGACY = "2025-11-25";
const NOTE = "demo://note/1";

const AUTO = sdk2("auto");
const IN_PLACE = sdk2("auto", true);
const PINNED = sdk2({ pin: MODERN });
const LEGACY_CLIENTS: readonly OfficialClientKind[] = [SDK1, sdk2("legacy")];
const KINDS: readonly OfficialClientKind[] = [...LEGACY_CLIENTS, AUTO, IN_PLACE, PINNED];

const script: Script = async (client, step) => {
  const { recording } = client;
  await step("tools", () => client.listTools());
  await step("echo", () => client.callTool("echo", { message: "größer \u{1f600}" }));
  await step("ask", () => client.callTool("ask", {}));
  let progressed = 0;
  const onprogress = () => void progressed++;
  await step("slow", () => client.callTool("slow", { steps: 2 }, { onprogress }));
  await step("progress", () => progressed > 0);
  const controller = new AbortController();
  await step("cancelled", () =>
    client.callTool("slow", { steps: 100 }, {
      signal: controller.signal,
      onprogress: () => controller.abort("enough"),
    }));
  await step("unknown argument", () => client.callTool("echo", { message: 7 }));
  await step("resources", () => client.listResources());
  await step("templates", () => client.listResourceTemplates());
  await step("read", () => client.readResource({ uri: NOTE }));
  await step("read nothing", () => client.readResource({ uri: "demo://none" }));
  await step("prompts", () => client.listPrompts());
  await step("prompt", () => client.getPrompt({ name: "greet", arguments: { name: "Zoë" } }));
  if (client.protocolVersion() !== MODERN) return;
  const from = recording.lines.length;
  const subscription = await client.listen?.({ resourceSubscriptions: [NOTE] });
  await step("touch", () => client.callTool("touch", {}));
  await recording.lineWith("notifications/resources/updated", from);
  await subscription?.close();
  await step("afterwards", () => client.callTool("echo", { message: "over" }));
};

/** The little that any server has. */
const plain: Script = async (client, step) => {
  await step("tools", () => client.listTools());
  await step("echo", () => client.callTool("echo", { a: 1 }));
};

interface Meeting {
  readonly server: string;
  readonly command: readonly string[];
  readonly script: Script;
  /** The revision that they agree on; undefined where they cannot. */
  readonly agreed: (kind: OfficialClientKind) => string | undefined;
}

const MEETINGS: readonly Meeting[] = [
  {
    server: "a server of both eras",
    command: [fixture("both-eras.mjs")],
    script,
    agreed: (kind) => LEGACY_CLIENTS.includes(kind) ? LEGACY : MODERN,
  },
  {
    server: "a modern server",
    command: [fixture("both-eras.mjs"), "modern-only"],
    script,
    agreed: (kind) => LEGACY_CLIENTS.includes(kind) ? undefined : MODERN,
  },
  {
    server: "a legacy server",
    command: [fixture("echo.mjs")],
    script: plain,
    agreed: (kind) => kind === PINNED ? undefined : LEGACY,
  },
];

const it = suite("eras");

for (const { server, command, script, agreed } of MEETINGS) {
  for (const kind of KINDS) {
    it(
      `${kind.name} meets ${server}: ${agreed(kind) ?? "no agreement"}, with and without the guard`,
      limited(90_000, () =>
        withTempDir(async (folder) => {
          const scene: Scene = { server: [NODE, ...command], cwd: folder, roots: [] };
          const { outcomes } = await compare(kind, scene, script);
          const opened = outcomes["open"] as { result?: unknown[]; message?: string };
          assert.is(opened.result?.[0], agreed(kind), JSON.stringify(opened));
          if (server === "a legacy server" || opened.result === undefined) return;
          assert.match(JSON.stringify(outcomes["ask"]), /asked once: .*Zoë/);
          assert.equal(outcomes["progress"], { result: true });
        })),
    );
  }
}

it(
  `${AUTO.name}: a server that dies on the probe is fallen back to, with and without the guard`,
  limited(60_000, () =>
    withTempDir(async (folder) => {
      const scene: Scene = { server: [NODE, fixture("dies-on-discover.mjs")], cwd: folder, roots: [] };
      const { outcomes } = await compare(AUTO, scene, plain);
      assert.is((outcomes["open"] as { result: unknown[] }).result[0], LEGACY);
    })),
);

for (
  const { title, command } of [
    { title: "dies on it", command: ["dies-on-discover.mjs"] },
    { title: "says nothing to it", command: ["ignores-discover.mjs"] },
    { title: "answers it too late", command: ["ignores-discover.mjs", "2600"] },
  ]
) {
  it(
    `${IN_PLACE.name}: through the guard it falls back also with a server that ${title}`,
    limited(60_000, () =>
      withTempDir(async (folder) => {
        const [name = "", ...args] = command;
        const client = await IN_PLACE.open({
          command: guardedBy(undefined, folder, [NODE, fixture(name), ...args]),
          env: {},
          cwd: folder,
          roots: [],
        });
        try {
          assert.is(client.protocolVersion(), LEGACY);
          const echoed = await client.callTool("echo", { a: 1 });
          assert.match(JSON.stringify(echoed), /\{\\"a\\":1\}/);
          // Its late answer would come now.
          await new Promise((resolve) => setTimeout(resolve, 800));
          assert.match(JSON.stringify(await client.callTool("echo", { a: 2 })), /\{\\"a\\":2\}/);
          assert.not.ok(client.recording.lines.some((line) => line.includes("Late")));
        } finally {
          await client.close();
        }
      })),
  );
}

it.run();
