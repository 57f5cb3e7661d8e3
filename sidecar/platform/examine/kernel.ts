/** What this kernel tells about processes: asked by doing it on ourselves, not by its version. */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { messageOf } from "../../model/errors.ts";
import type { Platform } from "../platform.ts";
import { type Finding, finding } from "./finding.ts";

export function examineKernel(platform: Platform): Finding[] {
  if (platform.name === "darwin") {
    const means =
      "Written and never run on a Mac: rely on nothing here; no sender is known, no socket listened at";
    return [finding("system", "missing", "macOS, untested", means)];
  }
  if (platform.name !== "linux") {
    const means = "Peers cannot be identified here, so nothing is admitted; use Linux";
    return [finding("system", "missing", process.platform, means)];
  }
  const system = finding("system", "ok", `Linux ${release()}`, "Peers are identified by the kernel");
  try {
    return [system, ...examineProcesses(platform), examineProc(), examineTracing(), examineUserNamespace()];
  } catch (error) {
    const means =
      "Native calls cannot be made; install with optional dependencies (koffi brings one per platform)";
    return [system, finding("koffi", "missing", messageOf(error), means)];
  }
}

function examineProcesses(platform: Platform): Finding[] {
  const [a, b] = platform.socketPair();
  const credentials = platform.peerCredentials(a);
  const peer = platform.peerProcess(a);
  const self = platform.openProcess(process.pid);
  const inode = self?.inode;
  const uniqueInode = inode !== undefined;
  const right = "value" in credentials && credentials.value.pid === process.pid;
  const pinned = peer !== undefined && peer.pid === process.pid && peer.inode === inode;
  peer?.close();
  self?.close();
  platform.closeDescriptor(a);
  platform.closeDescriptor(b);
  return [
    finding("koffi", "ok", `${process.platform}-${process.arch}`, "Native calls work"),
    right
      ? finding(
        "kernel.peer-credentials",
        "ok",
        "SO_PEERCRED",
        "The user and process behind a socket are known",
      )
      : finding(
        "kernel.peer-credentials",
        "missing",
        "no answer",
        "Nobody can be identified, so nobody is admitted",
      ),
    self !== undefined
      ? finding("kernel.pidfd", "ok", "pidfd_open", "A process is held on to while it is measured")
      : finding(
        "kernel.pidfd",
        "missing",
        "refused",
        "Processes cannot be measured; allow pidfd_open (Linux 5.3, seccomp)",
      ),
    pinned
      ? finding(
        "kernel.peer-pidfd",
        "ok",
        "SO_PEERPIDFD",
        "The very process that made a connection is measured",
      )
      : finding(
        "kernel.peer-pidfd",
        "limited",
        "none",
        "Peers are found by number; Linux 6.5 gives a handle that cannot be raced",
      ),
    uniqueInode
      ? finding(
        "kernel.pidfd-inode",
        "ok",
        `pidfs ${inode}`,
        "Each process has a name that is never given to another",
      )
      : finding(
        "kernel.pidfd-inode",
        "limited",
        "none",
        "Sessions cannot be named by process; Linux 6.9 has it",
      ),
  ];
}

/** Only the part that concerns us: others' processes hidden is fine, our own user's must be readable. */
function examineProc(): Finding {
  const mount = readFileSync("/proc/self/mounts", "utf8").split("\n").find((line) =>
    /^\S+ \/proc proc /.test(line)
  );
  const hidden = /hidepid=([^,\s]+)/.exec(mount ?? "")?.[1];
  if (mount === undefined) {
    return finding("proc", "limited", "not a mount of its own", "Whether processes are hidden is not known");
  }
  return hidden === undefined || hidden === "0" || hidden === "off"
    ? finding("proc", "ok", "all processes visible", "Ancestors of every user can be followed")
    : finding(
      "proc",
      "limited",
      `hidepid=${hidden}`,
      "The lineage ends at the first process of another user",
    );
}

const TRACING: Readonly<Record<string, readonly [Finding["state"], string]>> = {
  "0": [
    "limited",
    "Any process of your user can change another while it runs: digests do not stop hostile code of yours",
  ],
  "1": [
    "limited",
    "A process can still start a trusted program and change it: digests do not stop hostile code of yours",
  ],
  "2": ["ok", "Only an administrator can change running processes"],
  "3": ["ok", "Nobody can change running processes"],
};

function examineTracing(): Finding {
  let scope: string;
  try {
    scope = readFileSync("/proc/sys/kernel/yama/ptrace_scope", "utf8").trim();
  } catch {
    // No Yama in this kernel: as scope 0.
    return finding("yama", "limited", "not in this kernel", TRACING["0"]![1]);
  }
  const [state, means] = TRACING[scope] ?? ["limited", "Not a scope that is known here"];
  return finding("yama", state, `ptrace_scope ${scope}`, means);
}

function examineUserNamespace(): Finding {
  const map = readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/).join(" ");
  return map === "0 0 4294967295"
    ? finding("user-namespace", "ok", "the whole range", "Every user has a number of their own here")
    : finding(
      "user-namespace",
      "limited",
      map.slice(0, 60),
      "Users without a number here look alike, and are refused",
    );
}
