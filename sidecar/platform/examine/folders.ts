import { accessSync, constants, lstatSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "../native.ts";
import { isPrivate, runtimeFolder } from "../runtime-folder.ts";
import { type Finding, finding } from "./finding.ts";

/** Whether the folders of this user are safe. The runtime folder is made, as the first guard would make it. */
export function examineFolders(
  env: Readonly<Record<string, string | undefined>>,
  auditFolder: string,
): Finding[] {
  return [examineRuntimeFolder(env), examineAuditFolder(auditFolder)];
}

function examineRuntimeFolder(env: Readonly<Record<string, string | undefined>>): Finding {
  const folder = runtimeFolder(env);
  return folder === undefined
    ? finding("folder.runtime", "limited", "none is safe", "Digests are computed anew by every guard")
    : finding("folder.runtime", "ok", folder, "Digests are remembered until the next boot");
}

function examineAuditFolder(folder: string): Finding {
  const nearest = nearestExisting(folder);
  const uid = process.getuid?.();
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
  } catch (error) {
    const means = "Decisions cannot be recorded there, and without a record nothing is allowed";
    return finding("folder.audit", "missing", `${nearest}: ${errorCode(error)}`, means);
  }
  if (nearest !== folder) {
    return finding("folder.audit", "ok", folder, "It is made when the first log is opened");
  }
  return uid !== undefined && isPrivate(folder, uid)
    ? finding("folder.audit", "ok", folder, "Only you can read and write it")
    : finding(
      "folder.audit",
      "limited",
      `${folder}: ${describe(folder)}`,
      "Others can see into it; make it yours with mode 0700",
    );
}

function nearestExisting(path: string): string {
  for (let folder = path;; folder = dirname(folder)) {
    if (lstatSync(folder, { throwIfNoEntry: false }) !== undefined || folder === "/") return folder;
  }
}

function describe(folder: string): string {
  const stat = lstatSync(folder);
  return `owner ${stat.uid}, mode ${(stat.mode & 0o7777).toString(8).padStart(4, "0")}`;
}
