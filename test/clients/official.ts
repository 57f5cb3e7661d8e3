/** The official clients behind one set of words, so that one script can be played by each of them. */
import { Client, type VersionNegotiationMode } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioClientTransportV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { record, type Recording } from "./recording.ts";

export interface Launch {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Folders that the client says it works in. */
  readonly roots: readonly { readonly uri: string; readonly name: string }[];
}

interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onprogress?: () => void;
}

type Named<P> = (params: P) => Promise<unknown>;

/** A connected client. Every word is the SDK's own; results are compared whole and need no types. */
export interface OfficialClient {
  readonly recording: Recording;
  getServerVersion(): unknown;
  getServerCapabilities(): unknown;
  getInstructions(): unknown;
  /** Revision that was agreed on. */
  protocolVersion(): string | undefined;
  ping(): Promise<unknown>;
  setLoggingLevel(level: "debug" | "error"): Promise<unknown>;
  listTools(): Promise<unknown>;
  callTool(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<unknown>;
  listResources(): Promise<unknown>;
  listResourceTemplates(): Promise<unknown>;
  readResource: Named<{ uri: string }>;
  subscribeResource: Named<{ uri: string }>;
  unsubscribeResource: Named<{ uri: string }>;
  listPrompts(): Promise<unknown>;
  getPrompt: Named<{ name: string; arguments?: Record<string, string> }>;
  complete: Named<{
    ref: { type: "ref/prompt"; name: string } | { type: "ref/resource"; uri: string };
    argument: { name: string; value: string };
    context?: { arguments: Record<string, string> };
  }>;
  sendRootsListChanged(): Promise<void>;
  /** Subscribes as the modern era does; undefined for a client that knows none of it. @returns What ends it. */
  listen?(filter: { resourceSubscriptions: string[] }): Promise<{ close(): Promise<void> }>;
  close(): Promise<void>;
}

export interface OfficialClientKind {
  readonly name: string;
  open(launch: Launch): Promise<OfficialClient>;
}

const INFO = { name: "official-client", version: "1.0.0" };
const CAPABILITIES = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };
const SAMPLED = {
  role: "assistant",
  model: "none",
  content: { type: "text", text: "größer \u{1f600}" },
} as const;

/** A user who fills in a form and opens no page. */
function elicited(mode: string | undefined) {
  return mode === "url"
    ? { action: "decline" as const }
    : { action: "accept" as const, content: { name: "Zoë", check: true, integer: 7, number: 0.5 } };
}

async function openV1(launch: Launch): Promise<OfficialClient> {
  const [command = "", ...args] = launch.command;
  const { env, cwd } = launch;
  const transport = new StdioClientTransportV1({ command, args, env: { ...env }, cwd, stderr: "ignore" });
  const recording = record(transport);
  const client = new ClientV1(INFO, { capabilities: CAPABILITIES });
  let version: string | undefined;
  client.setRequestHandler(CreateMessageRequestSchema, () => SAMPLED);
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => elicited(params.mode));
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [...launch.roots] }));
  Object.assign(transport, { setProtocolVersion: (agreed: string) => void (version = agreed) });
  await client.connect(transport);
  return Object.assign(bind(client), {
    recording,
    protocolVersion: () => version,
    callTool: (name: string, args?: Record<string, unknown>, options?: CallOptions) =>
      client.callTool(
        { name, ...(args === undefined ? {} : { arguments: args }) },
        CallToolResultSchema,
        options,
      ),
  });
}

async function openV2(
  launch: Launch,
  mode: VersionNegotiationMode,
  inPlace: boolean,
): Promise<OfficialClient> {
  const [command = "", ...args] = launch.command;
  const { env, cwd } = launch;
  const Transport = inPlace ? ProbesInPlace : StdioClientTransport;
  const transport = new Transport({ command, args, env: { ...env }, cwd, stderr: "ignore" });
  const recording = record(transport);
  const client = new Client(INFO, { capabilities: CAPABILITIES, versionNegotiation: { mode } });
  client.setRequestHandler("sampling/createMessage", () => SAMPLED);
  client.setRequestHandler("elicitation/create", ({ params }) => elicited(params.mode));
  client.setRequestHandler("roots/list", () => ({ roots: [...launch.roots] }));
  await client.connect(transport);
  return Object.assign(bind(client), {
    recording,
    protocolVersion: () => client.getNegotiatedProtocolVersion(),
    listen: (filter: { resourceSubscriptions: string[] }) => client.listen(filter),
    callTool: (name: string, args?: Record<string, unknown>, options?: CallOptions) =>
      client.callTool({ name, ...(args === undefined ? {} : { arguments: args }) }, options),
  });
}

/** The SDK probes with a second process of its own, except through a subclass: then on the session's own pipe. */
class ProbesInPlace extends StdioClientTransport {}

type Shared = Omit<OfficialClient, "recording" | "protocolVersion" | "callTool" | "listen">;

function bind(client: Shared): Shared {
  return {
    getServerVersion: () => client.getServerVersion(),
    getServerCapabilities: () => client.getServerCapabilities(),
    getInstructions: () => client.getInstructions(),
    ping: () => client.ping(),
    setLoggingLevel: (level) => client.setLoggingLevel(level),
    listTools: () => client.listTools(),
    listResources: () => client.listResources(),
    listResourceTemplates: () => client.listResourceTemplates(),
    readResource: (params) => client.readResource(params),
    subscribeResource: (params) => client.subscribeResource(params),
    unsubscribeResource: (params) => client.unsubscribeResource(params),
    listPrompts: () => client.listPrompts(),
    getPrompt: (params) => client.getPrompt(params),
    complete: (params) => client.complete(params),
    sendRootsListChanged: () => client.sendRootsListChanged(),
    close: () => client.close(),
  };
}

export const SDK1: OfficialClientKind = { name: "SDK 1.x", open: openV1 };

export function sdk2(mode: VersionNegotiationMode, inPlace = false): OfficialClientKind {
  const words = typeof mode === "string" ? `in ${mode} mode` : `pinned to ${mode.pin}`;
  return {
    name: `SDK 2.x ${words}${inPlace ? ", probing in place" : ""}`,
    open: (launch) => openV2(launch, mode, inPlace),
  };
}

/** Those that the reference servers, which are of the legacy era, are used with. */
export const CLIENTS: readonly OfficialClientKind[] = [
  SDK1,
  sdk2("legacy"),
  sdk2("auto"),
  sdk2("auto", true),
];
