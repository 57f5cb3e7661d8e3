// An ordinary stdio server of both eras, made with the official SDK: it has what the official conformance suite asks of
// a server under test, and knows nothing of HTTP or of a guard.
import { randomBytes } from "node:crypto";
import {
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  McpServer,
  ResourceTemplate,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YQAAAAA=";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";

const text = (it) => ({ content: [{ type: "text", text: it }] });
const schema = (properties = {}, required = []) =>
  fromJsonSchema({ type: "object", properties, ...(required.length > 0 ? { required } : {}) });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ask = (message, properties, required = Object.keys(properties)) =>
  inputRequired.elicit({ message, requestedSchema: { type: "object", properties, required } });
const sample = (prompt, maxTokens = 100) =>
  inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text: prompt } }],
    maxTokens,
  });
const codec = createRequestStateCodec({ key: randomBytes(32) });

function makeServer() {
  const server = new McpServer({ name: "conformance", version: "1.0.0" }, {
    capabilities: {
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: { listChanged: true },
      logging: {},
      completions: {},
    },
    requestState: { verify: codec.verify },
  });
  addTools(server);
  addQuestions(server);
  addRounds(server);
  addResources(server);
  addPrompts(server);
  return server;
}

function addTools(server) {
  const tool = (name, run, inputSchema = schema()) =>
    server.registerTool(name, { description: `Conformance: ${name}`, inputSchema }, run);
  tool("test_simple_text", () => text("This is a simple text response for testing."));
  tool("test_image_content", () => ({ content: [{ type: "image", data: PNG, mimeType: "image/png" }] }));
  tool("test_audio_content", () => ({ content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] }));
  tool("test_embedded_resource", () => ({
    content: [{
      type: "resource",
      resource: {
        uri: "test://embedded-resource",
        mimeType: "text/plain",
        text: "This is an embedded resource content.",
      },
    }],
  }));
  tool("test_multiple_content_types", () => ({
    content: [
      { type: "text", text: "Multiple content types test:" },
      { type: "image", data: PNG, mimeType: "image/png" },
      {
        type: "resource",
        resource: {
          uri: "test://mixed-content-resource",
          mimeType: "application/json",
          text: JSON.stringify({ test: "data", value: 123 }),
        },
      },
    ],
  }));
  tool("test_error_handling", () => {
    throw new Error("This tool intentionally returns an error for testing");
  });
  tool("test_tool_with_logging", async (_args, { mcpReq }) => {
    await mcpReq.log("info", "Tool execution started");
    await pause(50);
    await mcpReq.log("info", "Tool processing data");
    await pause(50);
    await mcpReq.log("info", "Tool execution completed");
    return text("Logged");
  });
  tool("test_logging_tool", async (_args, { mcpReq }) => {
    await mcpReq.log("info", "A message for who asked for it");
    return text("Logged");
  });
  tool("test_tool_with_progress", async (_args, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progress > 0) await pause(50);
      if (progressToken === undefined) continue;
      const params = { progressToken, progress, total: 100 };
      await mcpReq.notify({ method: "notifications/progress", params });
    }
    return text("Done");
  });
  tool("test_trigger_tool_change", async () => {
    await server.server.sendToolListChanged();
    return text("Told");
  });
  tool("test_trigger_prompt_change", async () => {
    await server.server.sendPromptListChanged();
    return text("Told");
  });
}

/** What the server asks of the client, by a request of its own or, in the modern era, in its result. */
function addQuestions(server) {
  const elicit = (name, params, say, inputSchema = schema()) =>
    server.registerTool(
      name,
      { description: `Conformance: ${name}`, inputSchema },
      async (args, { mcpReq }) => text(say(await mcpReq.elicitInput(params(args)))),
    );
  const completed = ({ action, content }) =>
    `Elicitation completed: action=${action}, content=${JSON.stringify(content)}`;
  server.registerTool("test_sampling", {
    description: "Conformance: test_sampling",
    inputSchema: schema({ prompt: { type: "string" } }, ["prompt"]),
  }, async ({ prompt }, { mcpReq }) => {
    const messages = [{ role: "user", content: { type: "text", text: prompt } }];
    const { content } = await mcpReq.requestSampling({ messages, maxTokens: 100 });
    return text(`LLM response: ${content.text}`);
  });
  elicit(
    "test_elicitation",
    ({ message }) => ({
      message,
      requestedSchema: {
        type: "object",
        properties: {
          username: { type: "string", description: "User's response" },
          email: { type: "string", description: "User's email address" },
        },
        required: ["username", "email"],
      },
    }),
    ({ action, content }) => `User response: action=${action}, content=${JSON.stringify(content)}`,
    schema({ message: { type: "string" } }, ["message"]),
  );
  elicit("test_elicitation_sep1034_defaults", () => ({
    message: "Please check these",
    requestedSchema: {
      type: "object",
      properties: {
        name: { type: "string", default: "John Doe" },
        age: { type: "integer", default: 30 },
        score: { type: "number", default: 95.5 },
        status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
        verified: { type: "boolean", default: true },
      },
    },
  }), completed);
  const titled = (word, values) => values.map((value, at) => ({ const: value, title: `${word[at]}` }));
  elicit("test_elicitation_sep1330_enums", () => ({
    message: "Please choose",
    requestedSchema: {
      type: "object",
      properties: {
        untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
        titledSingle: {
          type: "string",
          oneOf: titled(["First Option", "Second Option", "Third Option"], ["value1", "value2", "value3"]),
        },
        legacyEnum: {
          type: "string",
          enum: ["opt1", "opt2", "opt3"],
          enumNames: ["Option One", "Option Two", "Option Three"],
        },
        untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
        titledMulti: {
          type: "array",
          items: {
            anyOf: titled(["First Choice", "Second Choice", "Third Choice"], ["value1", "value2", "value3"]),
          },
        },
      },
    },
  }), completed);
}

/** Tools that need several rounds (MCP 2026-07-28, input required). */
function addRounds(server) {
  const tool = (name, run) =>
    server.registerTool(
      name,
      { description: `Conformance: ${name}`, inputSchema: schema() },
      (_args, { mcpReq }) => run(mcpReq.inputResponses ?? {}, mcpReq),
    );
  const P = "test_input_required_result_";
  const name = () => ask("What is your name?", { name: { type: "string" } });
  const accepted = (response, key) =>
    response?.action === "accept" && typeof response.content?.[key] === "string"
      ? response.content[key]
      : undefined;

  tool(`${P}elicitation`, (given) => {
    const who = accepted(given.user_name, "name");
    return who === undefined
      ? inputRequired({ inputRequests: { user_name: name() } })
      : text(`Hello, ${who}!`);
  });
  tool(
    `${P}sampling`,
    ({ capital_question: answer }) =>
      answer === undefined
        ? inputRequired({ inputRequests: { capital_question: sample("What is the capital of France?") } })
        : text(`${answer.content?.text}`),
  );
  tool(
    `${P}list_roots`,
    ({ client_roots: answer }) =>
      answer === undefined
        ? inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } })
        : text(`Roots: ${answer.roots?.map(({ uri }) => uri).join(", ")}`),
  );
  const confirm = () => ask("Please confirm", { ok: { type: "boolean" } });
  for (const kind of ["request_state", "tampered_state"]) {
    tool(`${P}${kind}`, async (given, mcpReq) => {
      if (given.confirm !== undefined && mcpReq.requestState() !== undefined) return text("state-ok");
      const requestState = await codec.mint({ kind });
      return inputRequired({ inputRequests: { confirm: confirm() }, requestState });
    });
  }
  tool(`${P}multiple_inputs`, async (given) => {
    if (["user_name", "greeting", "client_roots"].every((key) => key in given)) return text("All is here");
    const inputRequests = {
      user_name: name(),
      greeting: sample("Generate a greeting", 50),
      client_roots: inputRequired.listRoots(),
    };
    return inputRequired({ inputRequests, requestState: await codec.mint({ round: 1 }) });
  });
  tool(`${P}multi_round`, async (given, mcpReq) => {
    const round = mcpReq.requestState()?.round ?? 0;
    if (round === 2 && given.step2 !== undefined) return text("Both steps are done");
    const step = round === 1 && given.step1 !== undefined
      ? { step2: ask("Step 2: What is your favorite color?", { color: { type: "string" } }) }
      : { step1: ask("Step 1: What is your name?", { name: { type: "string" } }) };
    const requestState = await codec.mint({ round: "step2" in step ? 2 : 1 });
    return inputRequired({ inputRequests: step, requestState });
  });
  tool(`${P}capabilities`, (given, { envelope }) => {
    if (Object.keys(given).length > 0) return text("Thanks");
    const { sampling, elicitation } = envelope?.[CAPABILITIES] ?? {};
    return inputRequired({
      inputRequests: {
        ...(sampling === undefined ? {} : { greeting: sample("Generate a greeting") }),
        ...(elicitation === undefined ? {} : { user_name: name() }),
      },
    });
  });
  tool(
    "test_streaming_elicitation",
    ({ user_name: given }) =>
      given === undefined ? inputRequired({ inputRequests: { user_name: name() } }) : text("Thanks"),
  );
  // Without the capability the SDK refuses to send this (-32021).
  tool(
    "test_missing_capability",
    ({ greeting: given }) =>
      given === undefined ? inputRequired({ inputRequests: { greeting: sample("Greet") } }) : text("Thanks"),
  );
}

function addResources(server) {
  const resource = (uri, mimeType, contents) =>
    server.registerResource(
      uri.slice("test://".length),
      uri,
      { description: `Conformance: ${uri}`, mimeType },
      () => ({ contents: [{ uri, mimeType, ...contents }] }),
    );
  resource("test://static-text", "text/plain", { text: "This is the content of the static text resource." });
  resource("test://static-binary", "image/png", { blob: PNG });
  resource("test://watched-resource", "text/plain", { text: "Watched" });
  server.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", { list: undefined }),
    { description: "Conformance: template", mimeType: "application/json" },
    (uri, { id }) => ({
      contents: [{
        uri: uri.href,
        mimeType: "application/json",
        text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
      }],
    }),
  );
  server.server.setRequestHandler("resources/subscribe", () => ({}));
  server.server.setRequestHandler("resources/unsubscribe", () => ({}));
  server.server.setRequestHandler("completion/complete", () => ({
    completion: { values: ["paris", "park", "party"], total: 3, hasMore: false },
  }));
}

function addPrompts(server) {
  const says = (...contents) => ({ messages: contents.map((content) => ({ role: "user", content })) });
  const words = (it) => ({ type: "text", text: it });
  const prompt = (name, argsSchema, run) =>
    server.registerPrompt(name, {
      description: `Conformance: ${name}`,
      ...(argsSchema === undefined ? {} : { argsSchema }),
    }, run);
  prompt("test_simple_prompt", undefined, () => says(words("This is a simple prompt for testing.")));
  prompt(
    "test_prompt_with_arguments",
    schema({
      arg1: { type: "string", description: "First test argument" },
      arg2: { type: "string", description: "Second test argument" },
    }, ["arg1", "arg2"]),
    ({ arg1, arg2 }) => says(words(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  );
  prompt(
    "test_prompt_with_embedded_resource",
    schema({ resourceUri: { type: "string" } }, ["resourceUri"]),
    ({ resourceUri: uri }) =>
      says(
        {
          type: "resource",
          resource: { uri, mimeType: "text/plain", text: "Embedded resource content for testing." },
        },
        words("Please process the embedded resource above."),
      ),
  );
  prompt(
    "test_prompt_with_image",
    undefined,
    () => says({ type: "image", data: PNG, mimeType: "image/png" }, words("Please analyze the image above.")),
  );
  prompt(
    "test_input_required_result_prompt",
    schema({}),
    (_args, { mcpReq }) =>
      mcpReq.inputResponses?.user_context === undefined
        ? inputRequired({
          inputRequests: {
            user_context: ask("What context should the prompt use?", { context: { type: "string" } }),
          },
        })
        : says(words(`Context: ${mcpReq.inputResponses.user_context.content?.context}`)),
  );
}

serveStdio(makeServer);
