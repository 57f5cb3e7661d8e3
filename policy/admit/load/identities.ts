/**
 * Finds programs that a policy takes for an identity and that are none: interpreters, relays, single-file runtimes.
 *
 * Admission refuses them anyway, by what is in their bytes. Here their author is told, from names and from the digests
 * of programs that `policy check` knows; neither ever makes anything acceptable.
 */
import type { RuntimeKind } from "../../clients.ts";
import type { PolicyContext } from "../../policy.ts";
import type { Workshop } from "../../match/words.ts";
import { quote, type Report } from "../../text/report.ts";
import { field, mapField, type MapNode, type Place, scalarsOf, textField } from "../../text/tree.ts";
import { kindOfName } from "../program-names.ts";
import { meaningOf } from "../runtime.ts";
import type { PlacedEntry } from "./entry.ts";

export function checkIdentities({ node }: PlacedEntry, { report, context }: Workshop): void {
  checkProgram(node, textField(node, "grade") ?? "measured", report, context);
  const parents = field(node, "parents");
  const grade = textField(node, "parents_grade") ?? "lineage";
  for (const item of parents?.kind === "list" ? parents.items : []) {
    if (item.kind === "map") checkProgram(item, grade, report, context);
  }
}

function checkProgram(node: MapNode, grade: string, report: Report, { describeDigest }: PolicyContext): void {
  const executable = mapField(node, "executable");
  const scripted = node.entries.has("script");
  const path = textField(executable, "path");
  const kind = path === undefined ? undefined : kindOfName(path.slice(path.lastIndexOf("/") + 1));
  if (kind !== undefined) refuse(field(executable, "path")!, quote(path!), kind, { grade, scripted }, report);
  for (const item of scalarsOf(field(executable, "sha256"))) {
    const text = String(item.value);
    if (text.startsWith("trust:")) warn(item, text, scripted, report);
    else if (describeDigest !== undefined) {
      const known = describeDigest(text);
      if (known !== undefined) refuse(item, quote(known.name), known.kind, { grade, scripted }, report);
    }
  }
}

interface Asked {
  readonly grade: string;
  readonly scripted: boolean;
}

function refuse(
  place: Place,
  what: string,
  kind: RuntimeKind,
  { grade, scripted }: Asked,
  report: Report,
): void {
  const meaning = meaningOf(kind);
  if (meaning === "anything") {
    const hint = "Name the program that uses it, or under 'parents' the one that started it";
    report.error(
      place,
      `This is ${what}, which passes on or runs whatever it is given: never an identity`,
      hint,
    );
  } else if (meaning === "script" && !scripted) {
    const hint =
      "Add 'script: {sha256: …}' beside 'executable', and 'grade: heuristic' (of a parent: 'parents_grade')";
    report.error(place, `This is ${what}, which runs any script: it says nothing of which one`, hint);
  } else if (meaning === "compiled" && grade !== "heuristic") {
    const hint = "Say 'heuristic', or use trust:NAME for a digest that was tested";
    report.error(
      place,
      `This is ${what}, a single-file runtime: a digest given here counts as heuristic`,
      hint,
    );
  }
}

/** What a trust file entry holds is not known here: its name is only a hint. */
function warn(place: Place, text: string, scripted: boolean, report: Report): void {
  const kind = kindOfName(text.slice("trust:".length));
  if (kind === undefined) return;
  const meaning = meaningOf(kind);
  if (meaning !== "anything" && scripted) return;
  const hint = meaning === "anything" ? undefined : "Add 'script: {sha256: …}' and 'grade: heuristic'";
  report.warning(
    place,
    `${quote(text)} sounds like a program that runs or passes on anything: no identity`,
    hint,
  );
}
