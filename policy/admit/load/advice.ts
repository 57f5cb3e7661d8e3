/** What an author of `clients` may not have meant. */
import { quote, type Report } from "../../text/report.ts";
import { field, mapField, type MapNode, textField, textsOf } from "../../text/tree.ts";
import { holds } from "../argv.ts";
import { type ClientEntry, isAccount } from "../entry.ts";
import { relayingCommand } from "../program-names.ts";
import { type PlacedEntry, placeOf } from "./entry.ts";

export function advise(placed: readonly PlacedEntry[], report: Report): void {
  for (const [at, one] of placed.entries()) {
    adviseOnProof(one, report);
    adviseOnVia(one, report);
    adviseOnRelays(one, report);
    adviseOnScript(one, report);
    adviseOnOrder(one, placed.slice(0, at), report);
  }
}

function adviseOnProof({ entry, node }: PlacedEntry, report: Report): void {
  if (textField(node, "proof") === "not-required" && !isAccount(entry)) {
    const message = "'proof: not-required': a helper that took over the connection may act under this name";
    const hint = "What is known of its program counts as lineage on standard streams, as heuristic elsewhere";
    report.warning(placeOf(node, "proof"), message, hint);
  }
  if (entry.sender === "first") {
    const message = "'sender: first': whoever gets hold of the connection later may act under this name";
    report.warning(placeOf(node, "sender"), message, "What is known of its program counts as heuristic");
  }
}

/** Nobody can tell who writes into a pipe. */
function adviseOnVia({ entry, node }: PlacedEntry, report: Report): void {
  if (entry.via !== "shim" || isAccount(entry)) return;
  const message = "'via: shim': whatever a matching program starts may act under this name";
  report.warning(placeOf(node, "via"), message, "What is known of its program counts as lineage");
}

/** Words of the command line are the peer's own, so this keeps out accidents, not attackers. */
function adviseOnRelays({ entry, node }: PlacedEntry, report: Report): void {
  const executable = mapField(node, "executable");
  const names = [textField(executable, "path"), ...textsOf(field(executable, "sha256"))];
  const trusted = names.filter((name) => name !== undefined).map((name) => name.replace(/^trust:/, ""));
  for (const command of new Set(trusted.map(relayingCommand).filter((it) => it !== undefined))) {
    const words = command.split(" ");
    if (entry.argv?.some((forbidden) => holds(words, forbidden, 0))) continue;
    const message = `As ${quote(command)} this program passes on what anybody says`;
    report.warning(placeOf(node, "executable"), message, `Add 'argv: {forbid: ["${command}"]}'`);
  }
}

function adviseOnScript({ node }: PlacedEntry, report: Report): void {
  if (!node.entries.has("script") || node.entries.has("executable")) return;
  const hint = "Add an 'executable' beside it";
  report.warning(placeOf(node, "script"), "Any interpreter that says it runs this script will match", hint);
}

/** The first that matches names the caller: an entry for a whole account leaves nothing to those behind it. */
function adviseOnOrder({ entry, node }: PlacedEntry, before: readonly PlacedEntry[], report: Report): void {
  const first = before.find((other) => takesAll(other.entry, entry));
  if (first === undefined) return;
  const message = `${quote(entry.name)} is never reached: ${
    quote(first.entry.name)
  } admits the same users before it`;
  report.warning(placeOf(node, "name"), message, `Put it before line ${lineOf(first.node)}`);
}

function takesAll(first: ClientEntry, then: ClientEntry): boolean {
  if (!isAccount(first) || first.forbid.length > 0 || first.account.gids.length > 0) return false;
  if (first.via !== then.via) return false;
  return then.account.uids.some((set) =>
    [...set].every((uid) => first.account.uids.every((other) => other.has(uid)))
  );
}

function lineOf(node: MapNode): number {
  return node.line;
}
