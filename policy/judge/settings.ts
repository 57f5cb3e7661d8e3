/** The sections that are handed on as they are: `server`, `audit`, and the policy's own particulars. */
import { normalise } from "../match/path.ts";
import type { AuditSection, PolicyContext, ServerSection } from "../policy.ts";
import { quote, type Report } from "../text/report.ts";
import { readPath } from "./tokens.ts";
import { field, mapField, type MapNode, scalarsOf, textField, textsOf } from "../text/tree.ts";

/** The server's folder: the policy's word for it, else where the guard was started. */
export function readCwd(root: MapNode, context: PolicyContext): string {
  const cwd = textField(mapField(root, "server"), "cwd");
  return cwd === undefined ? context.cwd : resolvePath(context.cwd, cwd);
}

export function readServer(root: MapNode, context: PolicyContext, report: Report): ServerSection {
  const server = mapField(root, "server");
  const base = readCwd(root, context);
  const command = field(server, "command");
  const words = command === undefined ? undefined : textsOf(command);
  if (command !== undefined && !words![0]) report.error(command, "'command' names no program");
  const env = mapField(server, "env");
  const executable = mapField(server, "executable");
  return {
    command: words,
    cwd: textField(server, "cwd") === undefined ? undefined : base,
    executableDigests: executable === undefined ? undefined : readDigests(executable, report),
    files: record(mapField(server, "files"), (path) => resolvePath(base, path)),
    env: {
      preset: textField(env, "preset") as ServerSection["env"]["preset"],
      pass: field(env, "pass") === undefined ? undefined : textsOf(field(env, "pass")),
      set: record(mapField(env, "set"), (name) => name),
      secrets: readSecrets(env, report),
    },
    stopGraceMs: readGrace(server, report),
    stdio: (textField(server, "stdio") ?? "socket") as ServerSection["stdio"],
  };
}

/** Names to absolute paths. */
function readSecrets(env: MapNode | undefined, report: Report): Readonly<Record<string, string>> {
  const result: Record<string, string> = Object.create(null);
  const set = mapField(env, "set");
  for (const [name, { key, value }] of mapField(env, "secrets")?.entries ?? []) {
    const path = value.kind === "map" ? readPath(value, "file", report) : undefined;
    if (path !== undefined) result[name] = path;
    if (set?.entries.has(name)) {
      report.error(key, `${quote(name)} stands under 'set', too`, "Keep one of them");
    }
  }
  return result;
}

function readDigests(executable: MapNode, report: Report): readonly string[] {
  const node = field(executable, "sha256");
  const digests = textsOf(node);
  if (node !== undefined && digests.length === 0) {
    report.error(
      node,
      "'sha256' is empty: nothing could ever start",
      "Name a digest, or remove 'executable'",
    );
  }
  return digests;
}

function record(map: MapNode | undefined, key: (name: string) => string): Readonly<Record<string, string>> {
  const result: Record<string, string> = Object.create(null);
  for (const [name, { value }] of map?.entries ?? []) result[key(name)] = textsOf(value)[0] ?? "";
  return result;
}

const LONGEST_GRACE_MS = 60_000;

function readGrace(server: MapNode | undefined, report: Report): number {
  const stop = mapField(server, "stop");
  const text = textField(stop, "grace");
  const match = /^([0-9]+)(ms|s|m)$/.exec(text ?? "2s")!;
  const unit = { ms: 1, s: 1000, m: 60_000 }[match[2] as "ms" | "s" | "m"];
  const grace = Number(match[1]) * unit;
  if (grace > LONGEST_GRACE_MS) {
    report.error(field(stop, "grace")!, `${quote(text!)} is longer than a minute`);
  }
  return grace;
}

export function readAudit(root: MapNode, report: Report): AuditSection {
  const audit = mapField(root, "audit");
  const file = textField(audit, "file");
  if (file !== undefined && !file.startsWith("/")) {
    report.error(field(audit, "file")!, `${quote(file)} is not absolute`, "Begin it with '/' or '~/'");
  }
  return {
    file,
    durability: (textField(audit, "durability") ?? "buffered") as AuditSection["durability"],
    onFailure: (textField(audit, "on_failure") ?? "deny") as AuditSection["onFailure"],
  };
}

/** A day counts to its end, UTC. */
export function readExpiry(root: MapNode, report: Report): number | undefined {
  const node = scalarsOf(field(root, "expires"))[0];
  if (node === undefined) return undefined;
  const text = String(node.value);
  const time = Date.parse(text);
  const isDay = text.length === 10;
  // Date.parse takes some days that do not exist, such as 30 February, for others.
  if (Number.isNaN(time) || !new Date(time).toISOString().startsWith(text.slice(0, -1))) {
    report.error(node, `There is no such day or time: ${quote(text)}`);
    return undefined;
  }
  return isDay ? time + 86_400_000 : time;
}

/** Joins and normalises, `..` included: the author of a policy may write it. */
function resolvePath(base: string, path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${base}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return normalise(`/${parts.join("/")}`);
}
