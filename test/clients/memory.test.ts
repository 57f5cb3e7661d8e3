/** The official clients use server-memory behind the guard exactly as without it. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, withTempDir } from "../harness.ts";
import { compare, NODE, reference, type Scene, type Script } from "./comparison.ts";
import { CLIENTS } from "./official.ts";

const GRAPH = "memory://knowledge-graph";
const POLICY = `version: 1
name: memory
server: {env: {pass: [PATH, MEMORY_FILE_PATH]}}
rules:
  - {name: all, tools: ["create_*", "add_*", "delete_*", read_graph, search_nodes, open_nodes], effect: allow}
resources: {allow: ["${GRAPH}"]}
prompts: {allow: ["*"]}
`;

const entity = (name: string, ...observations: string[]) => ({ name, entityType: "person", observations });

const script: Script = async (client, step) => {
  const call = (tool: string, args: Record<string, unknown>, title = tool) =>
    step(title, () => client.callTool(tool, args));

  await step("tools", () => client.listTools());
  await step("resources", () => client.listResources());
  await step("subscribe", () => client.subscribeResource({ uri: GRAPH }));
  await call("create_entities", { entities: [entity("Zoë", "mag \u{1f600}"), entity("Bob")] });
  await client.recording.lineWith("notifications/resources/updated");
  await call("create_relations", { relations: [{ from: "Zoë", to: "Bob", relationType: "knows" }] });
  await call("add_observations", { observations: [{ entityName: "Bob", contents: ['\u0000 \\ "', "2"] }] });
  await call(
    "add_observations",
    { observations: [{ entityName: "Nobody", contents: ["1"] }] },
    "add to nobody",
  );
  await call("create_entities", { entities: "wrong" }, "wrong type");
  await call("read_graph", {});
  await call("search_nodes", { query: "zoë" });
  await call("open_nodes", { names: ["Bob"] });
  await step("read", () => client.readResource({ uri: GRAPH }));
  await call("delete_observations", { deletions: [{ entityName: "Bob", observations: ["2"] }] });
  await call("delete_relations", { relations: [{ from: "Zoë", to: "Bob", relationType: "knows" }] });
  await call("delete_entities", { entityNames: ["Bob"] });
  await step("unsubscribe", () => client.unsubscribeResource({ uri: GRAPH }));
  await call("read_graph", {}, "what is left");
};

const it = suite("server-memory");
for (const kind of CLIENTS) {
  it(
    `${kind.name}: the same with and without the guard`,
    limited(110_000, () =>
      withTempDir(async (folder) => {
        const file = join(folder, "memory.jsonl");
        const scene: Scene = {
          server: [NODE, reference("server-memory")],
          env: { MEMORY_FILE_PATH: file },
          cwd: folder,
          roots: [],
          prepare: () => rmSync(file, { force: true }),
        };
        const { outcomes } = await compare(kind, scene, script, [POLICY]);
        assert.match(JSON.stringify(outcomes["what is left"]), /Zoë/);
        assert.not.match(JSON.stringify(outcomes["what is left"]), /Bob/);
      })),
  );
}

it(
  "without a policy a tool that the server lacks is refused by the server, in its own words",
  limited(60_000, () =>
    withTempDir(async (folder) => {
      const scene: Scene = { server: [NODE, reference("server-memory")], cwd: folder, roots: [] };
      const unknown: Script = (client, step) =>
        step("unknown", () => client.callTool("there-is-no-such-tool", {}));
      const { outcomes } = await compare(CLIENTS[0]!, scene, unknown, []);
      assert.match(JSON.stringify(outcomes["unknown"]), /not found/);
    })),
);
it.run();
