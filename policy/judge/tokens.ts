/** `session.token`, `session.bootstrap` and `identity_to_server` from their text. */
import type { Clients } from "../clients.ts";
import { quote, type Report } from "../text/report.ts";
import { field, mapField, type MapNode, scalarsOf, textField } from "../text/tree.ts";
import type { TokenSection } from "../tokens.ts";
import { readSpan } from "./session.ts";

const DEFAULT_TTL_MS = 15 * 60_000;
/** RFC 7519 counts in seconds. */
const SHORTEST_TTL_MS = 1000;
const LONGEST_TTL_MS = 24 * 3_600_000;

export function readTokens(root: MapNode, clients: Clients | undefined, report: Report): TokenSection {
  const session = mapField(root, "session");
  const token = mapField(session, "token");
  const issue = (textField(token, "issue") ?? "none") as TokenSection["issue"];
  const section: TokenSection = {
    issue,
    ttlMs: readTtl(token, report),
    keyFile: readPath(token, "key", report),
    tool: textField(token, "tool") !== undefined,
    needsSecret: issue === "bootstrap" || clients?.needsBootstrap === true,
    serverSecretFile: readPath(mapField(root, "server"), "bootstrap_file", report),
    bootstrap: readPlace(mapField(session, "bootstrap"), report),
    identityToServer:
      (textField(session, "identity_to_server") ?? "none") as TokenSection["identityToServer"],
  };
  checkUse(session, token, section, report);
  if (section.tool && section.serverSecretFile !== undefined) {
    const message = "The guard's own get_token stands before the server's, which 'bootstrap_file' is for";
    report.error(field(mapField(root, "server"), "bootstrap_file")!, message, "Remove one of the two");
  }
  return section;
}

function readTtl(token: MapNode | undefined, report: Report): number {
  const ms = readSpan(token, "ttl", report);
  if (ms === undefined) return DEFAULT_TTL_MS;
  if (ms >= SHORTEST_TTL_MS && ms <= LONGEST_TTL_MS) return ms;
  report.error(field(token, "ttl")!, "'ttl' is not between a second and a day");
  return DEFAULT_TTL_MS;
}

/** @returns Undefined where there is none, or it is reported. */
export function readPath(map: MapNode | undefined, key: string, report: Report): string | undefined {
  const path = textField(map, key);
  if (path === undefined || path.startsWith("/")) return path;
  report.error(field(map, key)!, `${quote(path)} is not absolute`, "Begin it with '/' or '~/'");
  return undefined;
}

function readPlace(map: MapNode | undefined, report: Report): TokenSection["bootstrap"] {
  if (map === undefined) return undefined;
  const file = readPath(map, "file", report);
  const fd = scalarsOf(field(map, "fd"))[0]?.value;
  if ((file === undefined) === (typeof fd !== "number")) {
    report.error(map, "'session.bootstrap' names either a 'file' or an 'fd'");
  }
  if (typeof fd === "number") return { fd };
  return file === undefined ? undefined : { file };
}

/** What is written down and would do nothing is an error: its author counts on it. */
function checkUse(
  session: MapNode | undefined,
  token: MapNode | undefined,
  section: TokenSection,
  report: Report,
): void {
  const { issue, tool, needsSecret, identityToServer } = section;
  if (issue === "none") {
    for (const key of ["ttl", "key"]) {
      const node = field(token, key);
      if (node !== undefined) report.error(node, `'${key}' has no use: no token is issued`);
    }
  }
  if (tool && issue !== "bootstrap") {
    report.error(
      field(token, "tool")!,
      "'get_token' gives a token for the one-time secret: 'issue' is not bootstrap",
    );
  } else if (tool) {
    const message = "'tool: get_token': the model sees the one-time secret and the token";
    report.warning(field(token, "tool")!, message, "A client can show the secret in _meta of 'initialize'");
  }
  if (identityToServer === "token" && issue === "none") {
    const hint = "Add 'token: {issue: initialize}'";
    report.error(
      field(session, "identity_to_server")!,
      "No token is issued that the server could be told",
      hint,
    );
  }
  const place = field(session, "bootstrap");
  if (place !== undefined && !needsSecret) {
    const hint = "Add 'bootstrap: required' to a client, or 'token: {issue: bootstrap}'";
    report.error(place, "'session.bootstrap' has no use: nothing asks for the one-time secret", hint);
  }
}
