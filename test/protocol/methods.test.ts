/**
 * Compares the frozen tables with the methods that the pinned SDKs declare, so that a new release of one cannot bring a
 * method that nobody here has thought about.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { featureOf, FROM_PEER, FROM_UPSTREAM, type Method } from "../../sidecar/protocol/methods.ts";

const SDKS = "node_modules/@modelcontextprotocol";
/** SDK 1.x: as the specification's schema says it, and as zod schemas. */
const spec = readFileSync(join(SDKS, "sdk/dist/esm/spec.types.d.ts"), "utf8");
const legacy = readFileSync(join(SDKS, "sdk/dist/esm/types.d.ts"), "utf8");
/** What the server and client of SDK 2.x are made of: both eras. */
const both = readdirSync(join(SDKS, "core/dist")).filter((name) => /^schemas-.*\.d\.mts$/.test(name))
  .map((name) => readFileSync(join(SDKS, "core/dist", name), "utf8")).join("\n");

/** Known to the specification's extension for tasks (2026-07-28), and to no SDK of the pinned ones. */
const EXTENSION = { fromPeer: ["tasks/update"], fromUpstream: ["notifications/tasks"] };

/** MCP 2026-07-28 and its extension for tasks; the SDKs' types do not tell the eras apart. */
const MODERN = {
  fromPeer: [
    ..."completion/complete notifications/cancelled prompts/get prompts/list resources/list resources/read"
      .split(" "),
    ..."resources/templates/list server/discover subscriptions/listen tasks/cancel tasks/get tasks/update"
      .split(" "),
    ..."tools/call tools/list".split(" "),
  ],
  fromUpstream: [
    ..."notifications/cancelled notifications/message notifications/progress notifications/prompts/list_changed"
      .split(" "),
    ..."notifications/resources/list_changed notifications/resources/updated notifications/subscriptions/acknowledged"
      .split(" "),
    ..."notifications/tasks notifications/tools/list_changed".split(" "),
  ],
};

/** Method names in the declaration of one zod schema. */
function inSchema(text: string, name: string): string[] {
  const begin = text.indexOf(`declare const ${name}:`);
  if (begin < 0) throw new Error(`The SDK declares no ${name} any more`);
  const end = text.indexOf("\ndeclare const ", begin + 1);
  const exported = text.indexOf("\nexport declare const ", begin + 1);
  const block = text.slice(begin, Math.min(...[end, exported].filter((at) => at > 0)));
  return unique(
    [...block.matchAll(/ method: z\.ZodLiteral<"([^"]+)">/g)].map(([, method]) => method as string),
  );
}

/** Method names of the interfaces that a union of the specification's schema names. */
function inUnion(name: string): string[] {
  const union = new RegExp(`export type ${name} = ([^;]+);`).exec(spec)?.[1] ?? assert.unreachable();
  return unique(
    (union as string).split("|").map((member) => {
      const declared = new RegExp(`interface ${member.trim()} extends [^{]+\\{[^}]*?method: "([^"]+)"`).exec(
        spec,
      );
      return declared?.[1] ?? assert.unreachable(`${member} has no method`);
    }) as string[],
  );
}

const unique = (names: readonly string[]) => [...new Set(names)].sort();
const ofEra = (table: ReadonlyMap<string, Method>, era: "legacy" | "modern") =>
  [...table].filter(([, { eras }]) => eras.includes(era)).map(([name]) => name).sort();

const DIRECTIONS = [
  { direction: "fromPeer", side: "Client", table: FROM_PEER },
  { direction: "fromUpstream", side: "Server", table: FROM_UPSTREAM },
] as const;

const it = suite("the method table");

for (const { direction, side, table } of DIRECTIONS) {
  it(`${direction}: its legacy methods are those of the specification's schema`, () => {
    assert.equal(
      ofEra(table, "legacy"),
      unique([...inUnion(`${side}Request`), ...inUnion(`${side}Notification`)]),
    );
  });

  it(`${direction}: its legacy methods are those of SDK 1.x`, () => {
    const declared = unique([
      ...inSchema(legacy, `${side}RequestSchema`),
      ...inSchema(legacy, `${side}NotificationSchema`),
    ]);
    assert.equal(ofEra(table, "legacy"), declared);
  });

  it(`${direction}: its modern methods are those of the specification`, () => {
    assert.equal(ofEra(table, "modern"), unique(MODERN[direction]));
  });

  it(`${direction}: it holds every method of SDK 2.x, and what no SDK has is in the extension`, () => {
    const declared = [
      ...inSchema(both, `${side}RequestSchema`),
      ...inSchema(both, `${side}NotificationSchema`),
    ];
    assert.equal(unique(declared).filter((name) => !table.has(name)), []);
    // Some of the modern era are declared by themselves, outside of the two unions.
    const anywhere = new Set(
      [...both.matchAll(/ method: z\.ZodLiteral<"([^"]+)">/g)].map(([, method]) => method),
    );
    assert.equal([...table.keys()].filter((name) => !anywhere.has(name)), EXTENSION[direction]);
  });

  it(`${direction}: what begins with notifications/ is a notification, and nothing else is`, () => {
    for (const [name, { kind }] of table) {
      assert.is(kind, name.startsWith("notifications/") ? "notification" : "request", name);
    }
  });
}

it("holds every method that any SDK declares anywhere", () => {
  for (const text of [spec, legacy, both]) {
    const declared = [...text.matchAll(/ method: (?:z\.ZodLiteral<)?["']([a-zA-Z/_]+)["']/g)].map((
      [, name],
    ) => name as string);
    assert.ok(declared.length > 25);
    assert.equal(unique(declared).filter((name) => !FROM_PEER.has(name) && !FROM_UPSTREAM.has(name)), []);
  }
});

it("lets nothing pass unjudged that names a tool, a resource or a prompt, or asks something of the client", () => {
  const duties = Object.fromEntries([...FROM_PEER].map(([name, { duty }]) => [name, duty]));
  assert.equal(
    Object.entries(duties).filter(([, duty]) => duty !== "pass").map(([name, duty]) => `${name}: ${duty}`),
    [
      "initialize: open",
      "server/discover: open",
      "tools/list: list",
      "tools/call: tool",
      "resources/list: list",
      "resources/templates/list: list",
      "resources/read: resource",
      "resources/subscribe: resource",
      "resources/unsubscribe: resource",
      "subscriptions/listen: listen",
      "prompts/list: list",
      "prompts/get: prompt",
      "completion/complete: completion",
      "notifications/cancelled: cancel",
    ],
  );
  const asked = [...FROM_UPSTREAM].filter(([, { duty }]) => duty !== "pass");
  assert.equal(asked.map(([name, { duty, feature }]) => `${name}: ${duty} ${feature}`), [
    "sampling/createMessage: feature sampling",
    "elicitation/create: feature elicitation",
    "roots/list: feature roots",
    "notifications/cancelled: cancel undefined",
    "notifications/resources/updated: updated undefined",
  ]);
});

it("names the member that holds each list's entries", () => {
  const lists = [...FROM_PEER].filter(([, { duty }]) => duty === "list");
  assert.equal(lists.map(([name, { entries }]) => [name, entries]), [
    ["tools/list", "tools"],
    ["resources/list", "resources"],
    ["resources/templates/list", "resourceTemplates"],
    ["prompts/list", "prompts"],
  ]);
});

for (
  const { method, feature } of [
    { method: "sampling/createMessage", feature: "sampling" },
    { method: "elicitation/create", feature: "elicitation" },
    { method: "roots/list", feature: "roots" },
    { method: "ping", feature: undefined },
    { method: "tools/call", feature: undefined },
    { method: "Roots/list", feature: undefined },
    { method: "__proto__", feature: undefined },
  ]
) {
  it(`a hidden '${method}' asks for ${feature ?? "nothing that is known"}`, () =>
    assert.is(featureOf(method), feature));
}

it.run();
