/**
 * What `StrictScanner.scan` has to accept, said a second time in the plainest way: a recursive parser of text and a list
 * of rules. It shares nothing with the scanner, tables included.
 */

export type Node =
  | { readonly type: "object"; readonly entries: readonly Entry[] }
  | { readonly type: "array"; readonly elements: readonly Node[] }
  | { readonly type: "string"; readonly text: string }
  | { readonly type: "number"; readonly literal: string }
  | { readonly type: "literal" };

export interface Entry {
  readonly key: string;
  /** Whether the key was spelled with an escape. */
  readonly escaped: boolean;
  readonly value: Node;
}

class Refused extends Error {}

/** Parses RFC 8259 text. Throws for anything else, for too deep nesting, and for a carriage return. */
function parse(text: string): Node {
  let at = 0;
  const fail = (): never => {
    throw new Refused(`at ${at}`);
  };
  const blanks = () => {
    while (text[at] === " " || text[at] === "\t" || text[at] === "\n") at++;
  };
  const match = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const [found] = pattern.exec(text) ?? fail();
    at += found.length;
    return found;
  };
  const string = (): { text: string; escaped: boolean } => {
    const start = at++;
    for (; text[at] !== '"'; at++) {
      if (at >= text.length) fail();
      if (text[at] === "\\") at++;
    }
    at++;
    const literal = text.slice(start, at);
    return { text: unquote(literal), escaped: literal.includes("\\") };
  };
  const value = (depth: number): Node => {
    if (depth > 128) fail();
    const c = text[at] ?? fail();
    if (c === '"') return { type: "string", text: string().text };
    if (c === "{" || c === "[") {
      at++;
      const node = c === "{" ? object(depth) : array(depth);
      at++;
      return node;
    }
    if (/[-0-9]/.test(c)) {
      return { type: "number", literal: match(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y) };
    }
    match(/true|false|null/y);
    return { type: "literal" };
  };
  const list = <T>(close: string, part: () => T): T[] => {
    const parts: T[] = [];
    blanks();
    if (text[at] === close) return parts;
    for (;;) {
      blanks();
      parts.push(part());
      blanks();
      if (text[at] === close) return parts;
      if (text[at++] !== ",") fail();
    }
  };
  const object = (depth: number): Node => ({
    type: "object",
    entries: list("}", () => {
      if (text[at] !== '"') fail();
      const { text: key, escaped } = string();
      blanks();
      if (text[at++] !== ":") fail();
      blanks();
      return { key, escaped, value: value(depth + 1) };
    }),
  });
  const array = (depth: number): Node => ({ type: "array", elements: list("]", () => value(depth + 1)) });

  blanks();
  const node = value(1);
  blanks();
  if (at !== text.length) fail();
  return node;
}

function unquote(literal: string): string {
  try {
    return JSON.parse(literal) as string;
  } catch {
    throw new Refused(literal);
  }
}

const isWellFormed = (text: string) => !/\p{Surrogate}/u.test(text);

/** Keys that are watched, by the place: what is named with `!` is read, so that it must not hold half a character. */
const WATCHED: Readonly<Record<string, readonly string[]>> = {
  envelope: ["jsonrpc!", "id!", "method!", "params!", "result!", "error!"],
  params: [
    ..."name! arguments! uri! _meta! cursor! ref! requestId! protocolVersion! capabilities! clientInfo!"
      .split(" "),
    ..."inputResponses! notifications! inputRequests! requestState argument context task taskId level reason"
      .split(" "),
    ..."progressToken progress total message".split(" "),
  ],
  meta: [
    "progressToken",
    "io.modelcontextprotocol/protocolVersion!",
    "io.modelcontextprotocol/clientCapabilities!",
    "io.modelcontextprotocol/clientInfo!",
    "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/subscriptionId",
    "io.modelcontextprotocol/related-task",
  ],
  arguments: [],
  ref: ["type", "name!", "uri!"],
  filter: [
    "resourceSubscriptions",
    "toolsListChanged",
    "promptsListChanged",
    "resourcesListChanged",
    "taskIds",
  ],
  result: [
    ..."resultType! inputRequests! isError! protocolVersion! serverInfo! supportedVersions! capabilities"
      .split(" "),
    ..."_meta tools prompts resources resourceTemplates nextCursor ttlMs cacheScope".split(" "),
  ],
  error: ["code!", "message", "data!"],
};

const PLACE_BELOW: Readonly<Record<string, string>> = {
  "envelope/params": "params",
  "envelope/result": "result",
  "envelope/error": "error",
  "params/_meta": "meta",
  "params/arguments": "arguments",
  "params/ref": "ref",
  "params/notifications": "filter",
};

/** Whether a parser that cuts keys at a NUL, and minds neither case nor composition, would take one for the other. */
function alike(one: string, other: string): boolean {
  const cut = (key: string) => (key.split("\0")[0] as string).normalize("NFC");
  return new RegExp(`^${cut(one).replace(/[\^$.*+?()[\]{}|/\\]/g, "\\$&")}$`, "iu").test(cut(other));
}

function checkObject(node: Extract<Node, { type: "object" }>, place: string | undefined): void {
  const keys = node.entries.map(({ key }) => key);
  if (new Set(keys).size !== keys.length) throw new Refused("duplicate");
  if (keys.includes("__proto__")) throw new Refused("proto");
  if (!keys.every(isWellFormed)) throw new Refused("surrogate");
  if (place !== undefined) checkPlace(node, place);
  for (const { key, value } of node.entries) checkNode(value, PLACE_BELOW[`${place}/${key}`]);
}

function checkPlace(node: Extract<Node, { type: "object" }>, place: string): void {
  const watched = WATCHED[place] as readonly string[];
  node.entries.forEach(({ key, escaped, value }, i) => {
    if (key.includes("\0")) throw new Refused("NUL");
    const name = watched.find((candidate) => alike(candidate.replace("!", ""), key));
    if (name !== undefined && (escaped || name.replace("!", "") !== key)) throw new Refused("look-alike");
    if (node.entries.some((other, k) => k < i && alike(other.key, key))) throw new Refused("sibling");
    const isRead = name?.endsWith("!") === true || place === "envelope";
    if (isRead && value.type === "string" && !isWellFormed(value.text)) throw new Refused("half a character");
  });
}

function checkNode(node: Node, place: string | undefined): void {
  if (node.type === "object") checkObject(node, place);
  if (node.type === "array") { for (const element of node.elements) checkNode(element, undefined); }
}

function checkEnvelope(entries: readonly Entry[]): void {
  const get = (key: string) => entries.find((entry) => entry.key === key)?.value;
  const [jsonrpc, id, method, params] = ["jsonrpc", "id", "method", "params"].map(get);
  const answers = Number(get("result") !== undefined) + Number(get("error") !== undefined);
  if (jsonrpc?.type !== "string" || jsonrpc.text !== "2.0") throw new Refused("version");
  if (id !== undefined && !isId(id)) throw new Refused("id");
  if (method === undefined) {
    if (answers !== 1 || id === undefined || params !== undefined) throw new Refused("no answer");
  } else if (method.type !== "string" || answers > 0) throw new Refused("method");
  else if (params !== undefined && params.type !== "object") throw new Refused("params");
}

function isId(node: Node): boolean {
  if (node.type === "string") return true;
  if (node.type !== "number" || !/^-?\d+$/.test(node.literal) || node.literal === "-0") return false;
  return Math.abs(Number(node.literal)) <= 2 ** 53 - 1;
}

/** Whether a line may go to the server. */
export function referenceAccepts(line: Uint8Array): boolean {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line);
  } catch {
    // Not UTF-8.
    return false;
  }
  try {
    const root = parse(text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, ""));
    if (root.type !== "object") return false;
    checkObject(root, "envelope");
    checkEnvelope(root.entries);
    return true;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}
