/** `grade` and `parents_grade` of an entry, held against all that keeps them from being reached. */
import { type Grade, reaches } from "../../fact.ts";
import type { Report } from "../../text/report.ts";
import { type MapNode, textField } from "../../text/tree.ts";
import { mostOf, type Weakening } from "../entry.ts";
import { namesProgram } from "./program.ts";

export interface Floors {
  readonly floor: Grade;
  readonly parentsFloor: Grade;
}

/** A floor that no peer could ever reach is an error: the entry would be dead, and its author not know it. */
export function readFloors(node: MapNode, weakening: Weakening, report: Report): Floors {
  const floor = readFloor(node, report);
  const parentsFloor = (textField(node, "parents_grade") ?? "lineage") as Grade;
  const parents = node.entries.has("parents");
  if (!parents && node.entries.has("parents_grade")) {
    report.error(node.entries.get("parents_grade")!.key, "'parents_grade' has no use without 'parents'");
  }
  // The scripts' own error says the same in better words.
  if (namesProgram(node) && !node.entries.has("script")) checkReach(node, "grade", floor, weakening, report);
  if (parents) checkReach(node, "parents_grade", parentsFloor, weakening, report);
  return { floor, parentsFloor };
}

function readFloor(node: MapNode, report: Report): Grade {
  const said = textField(node, "grade") as Grade | undefined;
  const given = node.entries.get("grade");
  const program = namesProgram(node);
  if (!program && said !== undefined && said !== "kernel") {
    const hint = "Remove it, or name an 'executable'";
    const message =
      "'grade' cannot raise an entry without 'executable' and 'script': it identifies an account";
    report.error(given!.value, message, hint);
  }
  if (program && said === "kernel") {
    const hint = "The best there is of a program is 'immutable', then 'measured'";
    report.error(given!.value, "No fact of a program is of grade kernel: the entry could never match", hint);
  }
  const script = node.entries.get("script");
  // A grade with an error of its own is not held against the script as well.
  if (script !== undefined && said !== "heuristic" && (said !== undefined || given === undefined)) {
    const hint = "Say 'grade: heuristic' in this entry if that will do";
    report.error(
      script.key,
      "Which script an interpreter runs is its own word, never better than heuristic",
      hint,
    );
  }
  return said ?? (program ? "measured" : "kernel");
}

function checkReach(
  node: MapNode,
  key: "grade" | "parents_grade",
  floor: Grade,
  weakening: Weakening,
  report: Report,
): void {
  // Standard streams are where the caps are highest.
  const { grade, lowered } = mostOf(weakening, "stdio-socket");
  if (reaches(grade, floor)) return;
  const place = node.entries.get(key)?.value ?? node;
  const hint = `Say '${key}: ${grade}' if that will do`;
  report.error(place, `'${key}: ${floor}' can never be reached: ${lowered}`, hint);
}
