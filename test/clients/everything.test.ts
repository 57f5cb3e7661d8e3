/** The official clients use server-everything behind the guard exactly as without it. */
import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, withTempDir } from "../harness.ts";
import { compare, NODE, reference, type Scene, type Script } from "./comparison.ts";
import { CLIENTS } from "./official.ts";

const DOCUMENT = "demo://resource/static/document/architecture.md";
const PASSED =
  "env: {pass: [HOME, PATH, USER, LOGNAME, TERM, SHELL, TMPDIR, DENO_DIR, DENO_NO_UPDATE_CHECK, MCP_GUARD_TEST_RUN]}";
const POLICY = `version: 1\nname: everything\ndefault: allow\nserver: {${PASSED}}\n`;

const script: Script = async (client, step) => {
  const { recording } = client;
  const call = (name: string, args?: Record<string, unknown>, title = name) =>
    step(title, () => client.callTool(name, args));
  /** Does something that makes the server speak by itself, and waits until it did. */
  const until = async (text: string, act: () => Promise<unknown>) => {
    const from = recording.lines.length;
    await act();
    await recording.lineWith(text, from);
  };

  // The server asks for the roots 350 ms after it was told that the client is ready.
  await recording.lineWith("Roots updated");
  await step("ping", () => client.ping());
  await step("log level", () => client.setLoggingLevel("debug"));

  await step("tools", () => client.listTools());
  await call("echo", { message: 'grüße \u{1f600} "quoted" \\ \u2028 back' });
  await call("echo", {}, "echo without its argument");
  await call("get-sum", { a: 9007199254740991, b: 0.1 });
  await call("get-tiny-image");
  await call("get-structured-content", { location: "Chicago" });
  await call("get-annotated-message", { messageType: "error", includeImage: true });
  await call("get-resource-links", { count: 10 });
  await call("get-resource-reference", { resourceType: "Blob", resourceId: 3 });
  await call("gzip-file-as-resource", {
    name: "a.gz",
    data: "data:text/plain,hello",
    outputType: "resource",
  });
  await call("get-roots-list");
  await call("get-env");

  await until("evel", () => call("toggle-simulated-logging", {}, "logging on"));
  await call("toggle-simulated-logging", {}, "logging off");

  await step("resources", () => client.listResources());
  await step("templates", () => client.listResourceTemplates());
  await step("read a document", () => client.readResource({ uri: DOCUMENT }));
  await step("read text", () => client.readResource({ uri: "demo://resource/dynamic/text/1" }));
  await step("read a blob", () => client.readResource({ uri: "demo://resource/dynamic/blob/2" }));
  await step("read nothing", () => client.readResource({ uri: "demo://there/is/none" }));
  await step("subscribe", () => client.subscribeResource({ uri: DOCUMENT }));
  await until("notifications/resources/updated", () => call("toggle-subscriber-updates", {}, "updates on"));
  await call("toggle-subscriber-updates", {}, "updates off");
  await step("unsubscribe", () => client.unsubscribeResource({ uri: DOCUMENT }));

  await step("prompts", () => client.listPrompts());
  await step("simple prompt", () => client.getPrompt({ name: "simple-prompt" }));
  const where = { city: "Köln", state: "NRW" };
  await step("prompt with arguments", () => client.getPrompt({ name: "args-prompt", arguments: where }));
  await step("prompt without them", () => client.getPrompt({ name: "args-prompt" }));
  const what = { resourceType: "Text", resourceId: "1" };
  await step("prompt with a resource", () => client.getPrompt({ name: "resource-prompt", arguments: what }));
  await step("unknown prompt", () => client.getPrompt({ name: "none" }));
  const ref = { type: "ref/prompt", name: "completable-prompt" } as const;
  await step("complete", () => client.complete({ ref, argument: { name: "department", value: "S" } }));
  await step("complete in context", () =>
    client.complete({
      ref,
      argument: { name: "name", value: "" },
      context: { arguments: { department: "Sales" } },
    }));
  await step("complete a template", () =>
    client.complete({
      ref: { type: "ref/resource", uri: "demo://resource/dynamic/text/{resourceId}" },
      argument: { name: "resourceId", value: "7" },
    }));

  await call("trigger-sampling-request", { prompt: "say", maxTokens: 5 });
  await call("trigger-elicitation-request");
  await call("trigger-url-elicitation", { url: "https://a.example/", elicitationId: "e1" }, "url by request");
  await call("trigger-url-elicitation", { url: "https://b.example/", errorPath: true }, "url by error");

  let progressed = 0;
  await step(
    "progress",
    () =>
      client.callTool("trigger-long-running-operation", { duration: 0.2, steps: 2 }, {
        onprogress: () => void progressed++,
      }),
  );
  // How often depends on how the bytes come: the SDKs forget a listener before its last call if both come at once.
  await step("progress seen", () => progressed > 0);
  const controller = new AbortController();
  // The server reports its steps to the end, cancelled or not, and then gives no answer.
  await until(
    '"progress":4,',
    () =>
      step("cancelled", () =>
        client.callTool("trigger-long-running-operation", { duration: 0.4, steps: 4 }, {
          signal: controller.signal,
          onprogress: () => controller.abort("enough"),
        })),
  );

  await until("Roots updated", () => client.sendRootsListChanged());
  await call("get-roots-list", {}, "roots again");
};

const it = suite("server-everything");
for (const kind of CLIENTS) {
  it(
    `${kind.name}: the same with and without the guard`,
    limited(110_000, () =>
      withTempDir(async (folder) => {
        const scene: Scene = {
          server: [NODE, reference("server-everything")],
          cwd: folder,
          roots: [{ uri: "file:///srv/one", name: "One" }, { uri: "file:///srv/zw%C3%B6lf", name: "Zwölf" }],
          normalise: withoutChance,
        };
        const { lines, outcomes } = await compare(kind, scene, script, [POLICY]);
        // Both could have been silent alike: what it was all for did happen.
        const all = lines.join("\n");
        for (
          const method of [
            "sampling/createMessage",
            "elicitation/create",
            "roots/list",
            "notifications/progress",
            "notifications/message",
            "notifications/resources/updated",
          ]
        ) assert.ok(all.includes(`"method":"${method}"`), `there was no ${method}`);
        assert.equal(outcomes["progress seen"], { result: true });
        assert.match(JSON.stringify(outcomes["cancelled"]), /enough/);
        assert.match(JSON.stringify(outcomes["trigger-sampling-request"]), /größer/);
        assert.match(JSON.stringify(outcomes["trigger-elicitation-request"]), /Zoë/);
      })),
  );
}
it.run();

/**
 * What the server makes of the clock and of chance: the time in its dynamic resources (as text, and in base64 as a
 * blob), the message it draws at random when it simulates logging, and the id of a prerequisite elicitation.
 */
function withoutChance(line: string): string {
  return line
    .replaceAll(/created at [^"\\]*/g, "created at TIME")
    .replaceAll(/"blob":"([^"]*)"/g, (whole, base64: string) => {
      const text = Buffer.from(base64, "base64").toString("latin1");
      return text.includes("created at ") ? `"blob":"${withoutChance(text)}"` : whole;
    })
    .replaceAll(/"level":"\w+","data":"\w+[ -]level[ -]message"/g, '"level":"ANY"')
    .replaceAll(/"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"/g, '"UUID"');
}
