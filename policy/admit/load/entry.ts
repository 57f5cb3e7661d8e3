/** One entry of `clients` from its text. */
import type { Workshop } from "../../match/words.ts";
import { quote } from "../../text/report.ts";
import { field, mapField, type MapNode, type Place, scalarsOf, textField, textsOf } from "../../text/tree.ts";
import { type ClientEntry, isAccount, type Weakening } from "../entry.ts";
import { compileForbidden, type Forbidden } from "../forbid/forbid.ts";
import { readAccount } from "./account.ts";
import { readFloors } from "./floors.ts";
import { namesProgram, readParents, readProgram } from "./program.ts";

/** An entry and where it stands. */
export interface PlacedEntry {
  readonly entry: ClientEntry;
  readonly node: MapNode;
}

/** Also goes through an entry that has errors, as far as it can be understood, to find those in the rest of it. */
export function compileEntry(node: MapNode, workshop: Workshop): PlacedEntry {
  const weakening = readWeakening(node);
  const entry: ClientEntry = {
    name: textField(node, "name") ?? "",
    ...readFloors(node, weakening, workshop.report),
    ...weakening,
    waived: weakening.proof === "not-required",
    account: readAccount(node, workshop),
    program: readProgram(node, workshop),
    parents: readParents(node, workshop),
    argv: readArgv(node, workshop),
    envOk: readEnvOk(node, workshop),
    forbid: readForbid(node, workshop),
    bootstrap: textField(node, "bootstrap") === "required",
  };
  // Without anything measured there is nothing that could be proven to speak, unless its author wants it all the same.
  const unprovable = textField(node, "proof") === undefined && isAccount(entry);
  return { entry: unprovable ? { ...entry, proof: "not-required" } : entry, node };
}

function readWeakening(node: MapNode): Weakening {
  return {
    proof: (textField(node, "proof") ?? "required") as ClientEntry["proof"],
    sender: (textField(node, "sender") ?? "every") as ClientEntry["sender"],
    via: (textField(node, "via") ?? "direct") as ClientEntry["via"],
  };
}

function readArgv(node: MapNode, { report }: Workshop): ClientEntry["argv"] {
  if (!node.entries.has("argv")) return undefined;
  const list = field(mapField(node, "argv"), "forbid");
  const items = scalarsOf(list);
  if (list !== undefined && items.length === 0) report.error(list, "'forbid' is empty: it forbids nothing");
  return items.map((item) => {
    const words = String(item.value).split(" ").filter((word) => word !== "");
    if (words.length === 0) report.error(item, "There is no word in it");
    return words;
  });
}

function readEnvOk(node: MapNode, { report }: Workshop): ReadonlySet<string> {
  const given = node.entries.get("env_ok");
  if (given !== undefined && !namesProgram(node)) {
    const hint = "Remove it: only what is known of a program is worth less for its environment";
    report.error(given.key, "'env_ok' has no use without 'executable' or 'script'", hint);
  }
  return new Set(textsOf(field(node, "env_ok")));
}

function readForbid(node: MapNode, { report, context }: Workshop): readonly Forbidden[] {
  const list = field(node, "forbid");
  const items = scalarsOf(list);
  if (list !== undefined && items.length === 0) report.error(list, "'forbid' is empty: it forbids nothing");
  return items.flatMap((item) => {
    const text = String(item.value);
    const compiled = compileForbidden(text, (kind, name) => context.accountId?.(kind, name));
    if (!("flaw" in compiled)) return [compiled];
    report.error(item, `${quote(text)} cannot be forbidden: ${compiled.flaw}`, compiled.hint);
    return [];
  });
}

/** Where an entry's key stands, else the entry itself. */
export function placeOf(node: MapNode, key: string): Place {
  return node.entries.get(key)?.key ?? node;
}
