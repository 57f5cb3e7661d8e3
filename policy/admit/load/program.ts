/** `executable`, `script` and `parents` of an entry. What is no identity is refused here, and told what would be one. */
import type { Workshop } from "../../match/words.ts";
import { normalise } from "../../match/path.ts";
import { quote } from "../../text/report.ts";
import { field, mapField, type MapNode, type Node, scalarsOf, textField } from "../../text/tree.ts";
import { MAX_ANCESTORS, type ParentStep } from "../parents.ts";
import type { DigestSet, ExecutablePattern, ProgramPattern, ScriptPattern } from "../program.ts";

/** @returns undefined when neither is named. */
export function readProgram(node: MapNode, workshop: Workshop): ProgramPattern | undefined {
  if (!namesProgram(node)) return undefined;
  const executable = mapField(node, "executable");
  const script = mapField(node, "script");
  return {
    executable: executable === undefined ? undefined : readExecutable(executable, workshop),
    script: script === undefined ? undefined : readScript(script, workshop),
  };
}

export function namesProgram(node: MapNode): boolean {
  return node.entries.has("executable") || node.entries.has("script");
}

function readExecutable(node: MapNode, workshop: Workshop): ExecutablePattern {
  const has = (key: string) => node.entries.has(key);
  const { report } = workshop;
  if (node.entries.size === 0) {
    report.error(node, "'executable' is empty", "Give it 'sha256', or 'path' and 'immutable: true'");
  } else if (!has("sha256") && !has("immutable")) {
    const hint =
      "Add 'sha256: …' ('mcp-guard attest' shows it), or 'immutable: true' where only root can change it";
    report.error(
      node.entries.get("path")!.key,
      "A path alone is no identity: its user can put any file there",
      hint,
    );
  } else if (!has("sha256") && !has("path")) {
    const hint = "Add 'path: …' or 'sha256: …'";
    report.error(
      node,
      "'immutable' alone is no identity: it is true of every program that root installed",
      hint,
    );
  }
  return {
    digests: readDigests(field(node, "sha256"), workshop),
    path: readPath(node, workshop),
    immutable: has("immutable"),
  };
}

function readScript(node: MapNode, workshop: Workshop): ScriptPattern {
  const nothing: DigestSet = { literal: new Set(), trust: [] };
  return { digests: readDigests(field(node, "sha256"), workshop) ?? nothing, path: readPath(node, workshop) };
}

const TRUST = "trust:";

function readDigests(node: Node | undefined, { report }: Workshop): DigestSet | undefined {
  if (node === undefined) return undefined;
  const items = scalarsOf(node);
  if (items.length === 0) report.error(node, "'sha256' is empty: the entry can never match", "Name a digest");
  const seen = new Set<string>();
  for (const item of items) {
    const text = String(item.value);
    if (seen.has(text)) report.error(item, `${quote(text)} is listed twice`);
    seen.add(text);
  }
  const all = [...seen];
  return {
    literal: new Set(all.filter((text) => !text.startsWith(TRUST))),
    trust: all.filter((text) => text.startsWith(TRUST)).map((text) => text.slice(TRUST.length)),
  };
}

/** The kernel tells paths in one spelling only: any other would never match, and nobody would see why. */
function readPath(node: MapNode, { report, context }: Workshop): string | undefined {
  const path = textField(node, "path");
  if (path === undefined) return undefined;
  const place = field(node, "path")!;
  if (!path.startsWith("/")) {
    report.error(place, `${quote(path)} is not absolute`, "Begin it with '/' or '~/'");
  } else if (normalise(path) !== path || path.split("/").includes("..")) {
    report.error(
      place,
      `${quote(path)} can never match`,
      "Write it without '//', '.', '..' and a '/' at its end",
    );
  } else {
    const real = context.realPath(path);
    if (real !== undefined && real !== path) {
      const hint = `Write the path it leads to: ${quote(real)}`;
      report.warning(
        place,
        `${quote(path)} is a link, or lies behind one, and what runs has no such path`,
        hint,
      );
    }
  }
  return path;
}

/** @returns undefined when the entry says nothing of its parents. */
export function readParents(node: MapNode, workshop: Workshop): readonly ParentStep[] | undefined {
  const list = field(node, "parents");
  if (list?.kind !== "list") return node.entries.has("parents") ? [] : undefined;
  const { report } = workshop;
  const steps = list.items.map((item) => readStep(item, node, workshop));
  if (steps.every((step) => typeof step === "string")) {
    report.error(
      list,
      "'parents' says nothing: it would match any chain",
      "Name an 'executable' in it, or remove it",
    );
  }
  if (steps.filter((step) => step !== "any-number").length > MAX_ANCESTORS) {
    report.error(list, `'parents' can never match: no more than ${MAX_ANCESTORS} ancestors are looked at`);
  }
  return steps;
}

function readStep(item: Node, entry: MapNode, workshop: Workshop): ParentStep {
  if (item.kind !== "map") {
    return item.kind === "scalar" && item.value === "any-number" ? "any-number" : "any";
  }
  const { report } = workshop;
  if (!namesProgram(item)) {
    report.error(item, "A parent without 'executable' and 'script'", "Write 'any' instead");
  }
  const script = item.entries.get("script");
  if (script !== undefined && textField(entry, "parents_grade") !== "heuristic") {
    const hint = "Say 'parents_grade: heuristic' beside 'parents' if that will do";
    report.error(script.key, "Which script a parent runs is its own word", hint);
  }
  return readProgram(item, workshop) ?? "any";
}
