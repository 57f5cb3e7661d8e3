/** A real peer at a real socket, asked to connect again and again, and the real way to its admission. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import * as assert from "uvu/assert";
import { loadPolicy } from "../../policy/mod.ts";
import type { Attestation } from "../../sidecar/attest/attest.ts";
import { admitPeer } from "../../sidecar/gate/admission/admit.ts";
import { createDigests, type Digests } from "../../sidecar/platform/digests.ts";
import { openLinux } from "../../sidecar/platform/linux.ts";
import type { Platform, UnixConnection } from "../../sidecar/platform/platform.ts";
import { withTempDir } from "../harness.ts";
import { makeContext } from "../policy/support.ts";
import { NODE } from "../sessions/puppet.ts";
import { ROOT } from "../tools/runtimes.ts";
import { canReplace, replace, restore } from "./file-calls.ts";
import { faultyCalls, type NativePlan } from "./native-calls.ts";

export type Fault = (call: string) => { readonly errno: string } | { readonly result: unknown } | undefined;
export type Outcome = "admitted" | "admitted, nothing has effect" | "nothing heard" | `refused: ${string}`;

export interface Scene {
  /** One admission from the connection to the first bytes, with these faults. */
  attempt(fault: Fault): Promise<Outcome>;
}

const program = join(ROOT, "test/faults/fixtures/peer.mjs");
const node = realpathSync(NODE.startsWith("/") ? NODE : which(NODE));
/** A program that runs another one and waits for it, and is no interpreter. Under its own name it counts as a relay. */
const parent = which("timeout");
const POLICY = `version: 1
name: faults
clients:
  - name: peer
    grade: heuristic
    uid: self
    executable: {sha256: ${digestOf(node)}}
    script: {path: ${program}, sha256: ${digestOf(program)}}
    parents: [{executable: {sha256: ${digestOf(parent)}}}]
    forbid: ["proc:env:LD_PRELOAD", "ns:mnt:other"]
`;

/** How the peer of a connection is attested. */
export type Attest = (
  platform: Platform,
  fd: number,
  digests: Digests,
) => Attestation | { readonly refused: string; readonly code: string };

/** Lends a peer that connects whenever it is asked to, on the real platform with calls that can be made to fail. */
export async function withScene(attest: Attest, use: (scene: Scene) => Promise<void>): Promise<void> {
  const loaded = await loadPolicy(POLICY, "p.yaml", makeContext({ ownUid: process.getuid!() }));
  const clients = loaded.policy?.clients;
  assert.ok(clients, JSON.stringify(loaded.problems));
  const native = faultyCalls();
  const platform = openLinux(() => native.calls);
  const digests = createDigests({ folder: () => undefined });
  await withTempDir(async (folder) => {
    const path = join(folder, "s.sock");
    let arrived: (connection: UnixConnection) => void = () => {};
    const listener = platform.listenUnix(path, {
      onConnection: (connection) => arrived(connection),
      onError: (error) => assert.unreachable(error.message),
    });
    const starter = join(folder, "starter");
    copyFileSync(parent, starter);
    // An orphan: its parent has no parents that could be looked at, whatever runs these tests.
    const orphan = ["-c", '"$0" 600 "$1" "$2" <&3 &', starter, node, program];
    const shell = spawn("sh", orphan, { stdio: ["ignore", "ignore", "inherit", "pipe"] });
    const input = shell.stdio[3] as Writable;
    const connect = (): Promise<UnixConnection> =>
      new Promise((resolve) => {
        arrived = resolve;
        input.write(`${path}\n`);
      });
    let labels: Labels | undefined;
    const attempt = async (fault: Fault): Promise<Outcome> => {
      const { fd, stream } = await connect();
      const counts = new Map<string, number>();
      const numbered = (call: string) => {
        const times = (counts.get(call) ?? 0) + 1;
        counts.set(call, times);
        return fault(`${call} #${times}`);
      };
      labels ??= labelsOf(platform, fd);
      native.plan = nativePlan(labels, numbered);
      replaceFiles(labels, numbered);
      try {
        const attestation = attest(platform, fd, digests);
        if ("refused" in attestation) {
          stream.destroy();
          return `refused: ${attestation.code}`;
        }
        const outcome = await admitPeer({
          stream,
          attestation,
          clients,
          world: { trusted: () => [], via: "direct" },
          uid: process.getuid!(),
          trustDomain: "localhost",
        });
        if (!outcome.admitted) {
          attestation.close();
          stream.destroy();
          return `refused: ${outcome.code} ${outcome.reasons.join("; ")}`;
        }
        const heard = await firstBytes(outcome.stream);
        outcome.stream.destroy();
        outcome.close();
        return heard;
      } finally {
        native.plan = undefined;
        restore();
      }
    };
    try {
      await use({ attempt });
    } finally {
      input.end();
      listener.close();
      digests.close();
    }
  });
}

function nativePlan(labels: Labels, fault: (call: string) => ReturnType<Fault>): NativePlan {
  return (name, args) => {
    const about = name === "pidfdOpen" ? labels.process(String(args[0])) : labels.of(args[0]);
    return fault(`${name} ${about}${name.endsWith("ption") ? `, option ${String(args[1])}` : ""}`);
  };
}

function replaceFiles(labels: Labels, fault: (call: string) => ReturnType<Fault>): void {
  if (!REPLACES) return;
  let inside = false;
  replace((name, args) => {
    if (name === "closeSync" || inside) return undefined;
    inside = true;
    const label = labels.of(args[0]);
    inside = false;
    const found = fault(`${name} ${label}`);
    if (found === undefined) return undefined;
    if ("result" in found) return { instead: () => found.result };
    const { errno } = found;
    return {
      instead: () => {
        throw Object.assign(new Error(`${errno}: injected, ${name}`), { code: errno, syscall: name });
      },
    };
  });
}

/** What a call is about, by words that are the same in every run: whose file, which descriptor. */
const real = { readlinkSync, readFileSync };

class Labels {
  readonly #pids = new Map<string, string>();

  constructor(peer: number, parent: number, child: number) {
    this.#pids.set(String(peer), "the peer").set(String(parent), "the parent").set(
      String(child),
      "the owner",
    );
  }

  of(about: unknown): string {
    if (typeof about === "number") return this.#descriptor(about);
    if (typeof about !== "string") return "";
    const [, fd, rest = ""] = /^\/proc\/self\/(?:fd|fdinfo)\/(\d+)(\/.*)?$/.exec(about) ?? [];
    if (fd !== undefined) return `${this.#descriptor(Number(fd))}${rest}`;
    const [, pid] = /^\/proc\/(\d+)$/.exec(about) ?? [];
    return pid === undefined ? about : this.process(pid);
  }

  process(pid: string): string {
    return this.#pids.get(pid) ?? "an ancestor";
  }

  #descriptor(fd: number): string {
    const link = real.readlinkSync(`/proc/self/fd/${fd}`);
    const [, pid, rest = ""] = /^\/proc\/(\d+)(\/.*)?$/.exec(link) ?? [];
    if (pid !== undefined) return `${this.process(pid)}${rest}`;
    if (!link.startsWith("pidfd:") && link !== "anon_inode:[pidfd]") return link.replace(/:\[\d+\]/, "");
    const info = real.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
    return `pidfd of ${this.process(/^Pid:\s*(-?\d+)/m.exec(info)?.[1] ?? "")}`;
  }
}

/** What the peer's first bytes are taken for, and none for a stream that fails. */
function firstBytes(stream: { start(events: never): void }): Promise<Outcome> {
  return new Promise((resolve) => {
    const nothing = (): void => resolve("nothing heard");
    const timer = setTimeout(nothing, 2000);
    const settle = (outcome: Outcome): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    const events = {
      data: (_: Buffer, fresh: boolean) => settle(fresh ? "admitted" : "admitted, nothing has effect"),
      end: () => settle("nothing heard"),
      error: () => settle("nothing heard"),
      drain: () => {},
      lost: ({ code }: { code: string }) => settle(`refused: ${code}`),
    };
    stream.start(events as never);
  });
}

/** Whether the runtime's file calls can be made to fail. */
export const REPLACES: boolean = canReplace();

function labelsOf(platform: Platform, fd: number): Labels {
  const credentials = platform.peerCredentials(fd);
  assert.ok("value" in credentials);
  const { pid } = credentials.value;
  const parentPid = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);
  return new Labels(pid, parentPid, childOf(pid));
}

function digestOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function which(name: string): string {
  for (const folder of (process.env["PATH"] ?? "").split(":")) {
    try {
      return realpathSync(join(folder, name));
    } catch { /* not there */ }
  }
  throw new Error(`No ${name}`);
}

/** The one child that the peer has: as a guard is of its client. */
export function childOf(pid: number): number {
  const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0]);
  assert.ok(child > 0, "the peer has a child");
  return child;
}
