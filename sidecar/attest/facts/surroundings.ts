/** What the kernel knows of a process beside its account and its image: its namespaces and its security label. */
import { absent, type Fact, known, type ProcessEvidence } from "../../model/evidence.ts";
import { errorCode } from "../../platform/native.ts";
import type { ProcessHandle } from "../../platform/platform.ts";
import { readBounded } from "../../platform/read-bounded.ts";
import { sharesView } from "../own-view.ts";

export function readNamespaces(handle: ProcessHandle): ProcessEvidence["namespaces"] {
  return { pid: readView(handle, "ns/pid"), mnt: readView(handle, "ns/mnt") };
}

function readView(handle: ProcessHandle, view: "ns/pid" | "ns/mnt"): Fact<"same" | "other"> {
  try {
    return known(sharesView(handle, view) ? "same" : "other", "kernel");
  } catch (error) {
    return absent(`ns-unreadable:${errorCode(error)}`);
  }
}

/** The label of SELinux, AppArmor or Smack; absent where the kernel runs none of them. */
export function readLabel(handle: ProcessHandle): Fact<string> {
  try {
    const label = readBounded(handle.procPath("attr/current"), 4096).toString("utf8").replace(/[\0\n]+$/, "");
    return label === "" ? absent("label-none") : known(label, "kernel");
  } catch (error) {
    return absent(`label-unreadable:${errorCode(error)}`);
  }
}
