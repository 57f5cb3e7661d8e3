/** What tests of the control socket share: a runtime folder of their own, requests, and the commands that send them. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { guardCommand, waitUntil } from "../harness.ts";

/** Where guards that this file starts put their control sockets: those of whoever runs the tests are left alone. */
export function ownControlFolder(): string {
  const runtime = mkdtempSync(join(tmpdir(), "r-"));
  process.env["XDG_RUNTIME_DIR"] = runtime;
  process.once("exit", () => rmSync(runtime, { recursive: true, force: true }));
  return join(runtime, "mcp-guard", "control");
}

/** The socket of a guard, once it is there: a guard of standard streams opens it after a second. */
export async function socketOf(folder: string, pid: number): Promise<string> {
  const own = () => names(folder).find((name) => name.endsWith(`-${pid}.sock`));
  await waitUntil(() => own() !== undefined, 10_000);
  return join(folder, own()!);
}

/** The folder's files; none where it was not made yet. */
export function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** One request, as any HTTP client would send it. */
export function ask(
  socketPath: string,
  method: string,
  path: string,
  { headers = {}, body }: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string } =
    {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const all = { host: "localhost", connection: "close", ...headers };
    const req = request({ socketPath, method, path, headers: all }, (res) => {
      let text = "";
      res.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
      res.on("error", reject);
      res.on("end", () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }));
    });
    req.on("error", reject);
    req.end(body);
  });
}

/** Runs a command of ours, as a person does. */
export async function typed(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const [program, ...before] = guardCommand();
  const child = spawn(program, [...before, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => void (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => void (err += text));
  const code = await new Promise<number>((resolve, reject) =>
    child.once("error", reject).once("close", (status) => resolve(status ?? -1))
  );
  return { code, out, err };
}
