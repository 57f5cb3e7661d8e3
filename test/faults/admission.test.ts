/**
 * Every system call and every file call on the way to an admission, made to fail in turn with every errno: the outcome is
 * a refusal, or an admission that provably did not need it. Never a crash, never a wait without end, never a descriptor
 * that stays.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadPolicy } from "../../policy/mod.ts";
import { attestConnection } from "../../sidecar/attest/attest-connection.ts";
import { admitPeer } from "../../sidecar/gate/admission/admit.ts";
import { createDigests } from "../../sidecar/platform/digests.ts";
import { openLinux } from "../../sidecar/platform/linux.ts";
import type { Platform, UnixConnection } from "../../sidecar/platform/platform.ts";
import { limited, skipUnless, withTempDir } from "../harness.ts";
import { makeContext } from "../policy/support.ts";
import { NODE } from "../sessions/puppet.ts";
import { ROOT } from "../tools/runtimes.ts";
import { canReplace, replace, restore } from "./file-calls.ts";
import { faultyCalls, type NativePlan } from "./native-calls.ts";

/** Of files no errno is told from another; these are the likeliest. */
const FILE_ERRNOS = ["EACCES", "EINTR", "EMFILE", "ENOENT", "ESRCH"];
const ERRNOS = [
  "EACCES",
  "EAGAIN",
  "EBADF",
  "EINTR",
  "EINVAL",
  "EIO",
  "ELOOP",
  "EMFILE",
  "ENOENT",
  "ENOMEM",
  "ENOPROTOOPT",
  "ENOSYS",
  "ENOTDIR",
  "ENXIO",
  "EOPNOTSUPP",
  "EOVERFLOW",
  "EPERM",
  "ESRCH",
];

/** Calls that may fail and leave the peer admitted, and why that gives nothing away. All others must end in a refusal. */
const DISPENSABLE: readonly (readonly [call: RegExp, why: string])[] = [
  [/^statSync pidfd of/, "the pidfd's inode is one name more for the log"],
  [
    /^lstatSync \//,
    "whether only root can change a file: without it the grade is lower, and enough for this entry",
  ],
  [
    /^(openSync|readSync) \/etc\/(passwd|group) #/,
    "names of accounts, for selectors; the entry goes by the number",
  ],
  [/^(pidfdOpen|open) the parent #1,/, "a parent that cannot be opened is asked for anew, three times"],
  [/^(readFileSync|readable) pidfd of the parent #1,/, "likewise"],
  [/^readable pidfd of the parent #3,/, "it was asked for the parent's own parents"],
  [/^(openSync|readSync) the parent\/stat #/, "likewise; later it would be the parent's own parents"],
  [/^(openSync|readSync) the peer\/stat #[2-4],/, "likewise"],
  [/^readable pidfd of the peer #3,/, "likewise"],
  [
    /^(openSync|readSync) the (peer|parent)\/attr\/current #/,
    "a security label, of which the entry says nothing",
  ],
  [/^statSync the (peer|parent)\/ns\/pid #/, "a namespace, of which the entry says nothing"],
  [/^statSync the parent\/ns\/mnt #2,/, "the same of the parent"],
  [
    /^(openSync|readSync) the peer\/maps #|^statSync \/usr\/lib/,
    "mapped files: what cannot be told lowers the grade",
  ],
  [/^statSync the peer\/(ns\/mnt #3|root #2),|^readlinkSync the peer\/exe #2,/, "likewise"],
  [
    /^(statSync the parent\/exe|openSync the parent\/auxv) #3,/,
    "the parent's own word, which nobody asked for",
  ],
  [/^readSync the parent\/auxv #[56],|^readable pidfd of the parent #5,/, "likewise"],
  [/^(fstatSync|statfsSync) .*\/starter #3,/, "whether its digest may be remembered"],
  [/^count socket #/, "how much waits: then all that ever comes counts as sent too early"],
  [/^receive socket #1, (EAGAIN|EINTR)$/, "it is read again"],
  [/^receive socket #2/, "the first bytes are here by then"],
  [/^readSync .* #\d*[02468], nothing$/, "the end of a file, which it is"],
  [/^readSync the peer\/environ #1, nothing$/, "no variables: a process may have none"],
];

type Fault = (call: string) => { readonly errno: string } | { readonly result: unknown } | undefined;
type Outcome = "admitted" | "admitted, nothing has effect" | "nothing heard" | `refused: ${string}`;

interface Scene {
  /** One admission from the connection to the first bytes, with these faults. */
  attempt(fault: Fault): Promise<Outcome>;
}

const faults = suite("faults on the way to an admission");
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

async function withScene(use: (scene: Scene) => Promise<void>): Promise<void> {
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
        const attestation = attestConnection(platform, fd, { digests, mayAdmit: () => true });
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

  constructor(peer: number, parent: number) {
    this.#pids.set(String(peer), "the peer").set(String(parent), "the parent");
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

const REPLACES = canReplace();

const isNative = (call: string): boolean => !/^[a-z]+Sync /i.test(call);

faults(
  "each call with each errno, and with nothing where something is read",
  limited(200_000, () =>
    withScene(async ({ attempt }) => {
      if (!REPLACES) skipUnless(false, "this runtime's file calls cannot be made to fail: only our own were");
      const calls = new Set<string>();
      // The first one fills the caches.
      for (let round = 0; round < 3; round++) {
        calls.clear();
        assert.match(await attempt((call) => (calls.add(call), undefined)), /^admitted/);
      }
      const reached = Array.from(calls, (call) => call.split(" ")[0]);
      const native = ["socketOption", "open", "readable", "pidfdOpen", "count", "receive"];
      const files = REPLACES
        ? ["openSync", "readSync", "readFileSync", "statSync", "fstatSync", "statfsSync"]
        : [];
      for (const name of [...native, ...files]) assert.ok(reached.includes(name), `${name} was never made`);

      const open = readdirSync("/proc/self/fd").length;
      const wrong: string[] = [];
      for (const call of calls) {
        if (call.includes("an ancestor")) continue; // of whom the entry says nothing
        const errnos = isNative(call) ? ERRNOS : FILE_ERRNOS;
        const kinds = /^read(File)?Sync /.test(call) ? [...errnos, "nothing"] : errnos;
        for (const kind of kinds) {
          const empty = call.startsWith("readFile") ? "" : 0;
          const injected = kind === "nothing" ? { result: empty } : { errno: kind };
          const outcome = await attempt((now) => now === call ? injected : undefined);
          if (!outcome.startsWith("admitted")) continue;
          const what = `${call}, ${kind}`;
          if (!DISPENSABLE.some(([spared]) => spared.test(what))) wrong.push(`${what}: ${outcome}`);
        }
      }
      assert.equal(wrong, []);
      assert.match(await attempt(() => undefined), /^admitted/, "and after all that it is as it was");
      assert.ok(readdirSync("/proc/self/fd").length <= open + 2, "descriptors stayed");
    })),
);

const ucred = (pid: number, uid: number): DataView => {
  const view = new DataView(new ArrayBuffer(16));
  view.setInt32(0, pid, true);
  view.setUint32(4, uid, true);
  return view;
};
const self = process.getuid?.() ?? 0;

for (
  const { name, call, result, expect } of [
    {
      name: "a peer outside of our pid namespace",
      call: /^socketOption .* 17 /,
      result: () => ucred(0, self),
      expect: /IDENT/,
    },
    {
      name: "a peer without a number",
      call: /^socketOption .* 17 /,
      result: () => ucred(-1, self),
      expect: /IDENT/,
    },
    {
      name: "a uid without a number here",
      call: /^socketOption .* 17 /,
      result: () => ucred(1, 65534),
      expect: /IDENT/,
    },
    {
      name: "another uid",
      call: /^socketOption .* 17 /,
      result: () => ucred(1, self + 1),
      expect: /GONE|REFUSED/,
    },
    {
      name: "another process's number",
      call: /^socketOption .* 17 /,
      result: () => ucred(process.pid, self),
      expect: /GONE/,
    },
    { name: "a process that has ended", call: /^readable /, result: () => true, expect: /GONE|REFUSED/ },
    {
      name: "a count of nothing before the first byte",
      call: /^count /,
      result: () => 0,
      expect: /^admitted$/,
    },
    { name: "the end before the first byte", call: /^receive /, result: () => 0, expect: /nothing heard/ },
  ]
) {
  faults(
    `the kernel's own word: ${name}`,
    limited(30_000, () =>
      withScene(async ({ attempt }) => {
        assert.match(await attempt((now) => call.test(now) ? { result: result() } : undefined), expect);
        assert.match(await attempt(() => undefined), /^admitted/);
      })),
  );
}

function labelsOf(platform: Platform, fd: number): Labels {
  const credentials = platform.peerCredentials(fd);
  assert.ok("value" in credentials);
  const { pid } = credentials.value;
  return new Labels(pid, Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]));
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

faults.run();
