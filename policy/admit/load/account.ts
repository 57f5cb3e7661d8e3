/** `uid`, `user`, `gid` and `group` of an entry to numbers. */
import type { Workshop } from "../../match/words.ts";
import { quote } from "../../text/report.ts";
import { field, type MapNode, type ScalarNode, scalarsOf } from "../../text/tree.ts";
import type { AccountPattern } from "../account.ts";

type Key = "uid" | "user" | "gid" | "group";
type Ids = ReadonlySet<number>;

/** An entry that names no user means the guard's own: groups alone let in whoever is in them, of whatever user. */
export function readAccount(node: MapNode, workshop: Workshop): AccountPattern {
  const sets = (...keys: Key[]) =>
    keys.map((key) => readIds(node, key, workshop)).filter((it) => it !== undefined);
  const uids = sets("uid", "user");
  if (uids.length === 2 && ![...uids[0]!].some((id) => uids[1]!.has(id))) {
    workshop.report.error(
      field(node, "user")!,
      "No user is named by both 'uid' and 'user'",
      "Keep one of the two",
    );
  }
  const own = node.entries.has("uid") || node.entries.has("user") ? [] : [ownUser(node, workshop)];
  return { uids: [...uids, ...own], gids: sets("gid", "group") };
}

function ownUser(node: MapNode, { report, context }: Workshop): Ids {
  if (context.ownUid !== undefined) return new Set([context.ownUid]);
  report.error(
    node,
    "The guard's own user is not known here, and the entry names no other",
    "Give it a 'uid'",
  );
  return new Set();
}

/** @returns undefined when the key is not there, or has errors. */
function readIds(node: MapNode, key: Key, workshop: Workshop): Ids | undefined {
  const value = field(node, key);
  if (value === undefined) return undefined;
  const items = scalarsOf(value);
  if (items.length === 0) workshop.report.error(value, `'${key}' is empty: the entry can never match`);
  const ids = new Set<number>();
  const seen = new Set<unknown>();
  for (const item of items) {
    // By its spelling: `self` may be another number for whoever runs the guard next.
    if (seen.has(item.value)) workshop.report.error(item, `${quote(String(item.value))} is listed twice`);
    seen.add(item.value);
    const id = readId(item, key, workshop);
    if (id !== undefined) ids.add(id);
  }
  return ids;
}

function readId(item: ScalarNode, key: Key, { report, context }: Workshop): number | undefined {
  if (typeof item.value === "number") return item.value;
  const name = String(item.value);
  if (key === "uid") {
    if (context.ownUid === undefined) {
      report.error(item, "The guard's own user is not known here: 'self' is nobody");
    }
    return context.ownUid;
  }
  const kind = key === "user" ? "user" : "group";
  const id = context.accountId?.(kind, name);
  // Taken for "nobody" it would silently never match; taken for anybody it would be worse.
  if (id === undefined) {
    const hint = `Write its number instead: '${kind === "user" ? "uid" : "gid"}: …'`;
    report.error(item, `There is no ${kind} ${quote(name)}: the entry could never match`, hint);
  }
  return id;
}
