/**
 * Checks a tree against the language's table and inserts variables. Everything it does not know is an error: what
 * cannot be enforced is never skipped.
 */
import { FORMS, SHAPES } from "../language.ts";
import { suggestion } from "./nearest.ts";
import { quote, type Report } from "./report.ts";
import type { Insertion, MapShape, Shape } from "./shape.ts";
import type { Entry, ListNode, MapNode, Node, ScalarNode } from "./tree.ts";
import { expand } from "./variables.ts";

export interface CheckContext {
  readonly report: Report;
  readonly variables: Readonly<Record<string, string>>;
  /** Asked of every variable that is used; says what is wrong with it, if anything. */
  readonly refuseVariable: (name: string) => string | undefined;
}

type Kind = Node["kind"];
type EitherShape = Extract<Shape, { kind: "either" }>;
type RecordShape = Extract<Shape, { kind: "record" }>;
type TextShape = Extract<Shape, { kind: "text" }>;
type NumberShape = Extract<Shape, { kind: "number" }>;
type ChoiceShape = Extract<Shape, { kind: "choice" }>;

/**
 * @param label How messages call the place, quoted where it is the author's word.
 * @returns A copy with variables inserted, in which every node says whether it is sound.
 */
export function check(node: Node, shape: Shape, label: string, context: CheckContext): Node {
  const meant = resolve(shape, node.kind);
  if (meant === undefined || kindOf(meant) !== node.kind) {
    const hint = isEmpty(node) ? `Give it a value, or remove the key` : `It must be ${describe(shape)}`;
    context.report.error(node, `${label} must not be ${describeNode(node)}`, hint);
    return { ...node, sound: false };
  }
  if (node.kind === "list") return checkList(node, meant, label, context);
  if (node.kind === "scalar") return checkScalar(node, meant, label, context);
  return meant.kind === "record"
    ? checkRecord(node, meant, label, context)
    : checkMap(node, meant as MapShape, context);
}

function resolve(shape: Shape, kind: Kind): Shape | undefined {
  if (shape.kind === "named") return resolve(SHAPES[shape.name]!, kind);
  if (shape.kind !== "either") return shape;
  return shape.of.map((one) => resolve(one, kind)).find((one) => one !== undefined && kindOf(one) === kind);
}

function kindOf(shape: Shape): Kind {
  if (shape.kind === "list") return "list";
  return shape.kind === "map" || shape.kind === "record" ? "map" : "scalar";
}

function checkMap(node: MapNode, shape: MapShape, context: CheckContext): MapNode {
  const entries = new Map<string, Entry>();
  let sound = node.sound;
  for (const [name, { key, value }] of node.entries) {
    if (!Object.hasOwn(shape.keys, name)) {
      refuseKey(name, key, shape, context.report);
      sound = false;
      continue;
    }
    const checked = check(value, shape.keys[name]!.shape, quote(name), context);
    sound &&= checked.sound;
    entries.set(name, { key, value: checked });
  }
  for (const [name, key] of Object.entries(shape.keys)) {
    if (key.required !== true || node.entries.has(name)) continue;
    context.report.error(node, `'${name}' is missing in ${shape.says}`, `${key.doc}: ${describe(key.shape)}`);
    sound = false;
  }
  return { ...node, entries, sound };
}

function refuseKey(name: string, key: ScalarNode, shape: MapShape, report: Report): void {
  if (shape.later?.includes(name)) {
    report.error(key, `'${name}' is not supported yet`, "Remove it: this version would not enforce it");
    return;
  }
  const words = Object.keys(shape.keys);
  report.error(key, `Unknown key ${quote(name)} in ${shape.says}`, suggestion(name, words));
}

function checkRecord(node: MapNode, shape: RecordShape, label: string, context: CheckContext): MapNode {
  const entries = new Map<string, Entry>();
  let sound = node.sound;
  for (const { key, value } of node.entries.values()) {
    const text = { kind: "text", form: shape.key } as const;
    const withInsertion = shape.insertKey === undefined ? text : { ...text, insert: shape.insertKey };
    const checkedKey = checkScalar(key, withInsertion, `A key of ${label}`, context);
    const checked = check(value, shape.of, quote(String(key.value)), context);
    const name = String(checkedKey.value);
    if (entries.has(name)) {
      context.report.error(key, `${quote(name)} is given twice once its variables are inserted`);
      sound = false;
    }
    sound &&= checkedKey.sound && checked.sound;
    entries.set(name, { key: checkedKey, value: checked });
  }
  if (node.entries.size === 0) {
    context.report.error(node, `${label} is empty`, "Name something in it, or remove the key");
    sound = false;
  }
  return { ...node, entries, sound };
}

function checkList(node: ListNode, shape: Shape, label: string, context: CheckContext): ListNode {
  const of = (shape as Extract<Shape, { kind: "list" }>).of;
  const items = node.items.map((item) => check(item, of, `An entry of ${label}`, context));
  return { ...node, items, sound: node.sound && items.every((item) => item.sound) };
}

function checkScalar(node: ScalarNode, shape: Shape, label: string, context: CheckContext): ScalarNode {
  if (!node.sound) return node;
  switch (shape.kind) {
    case "text":
      return checkText(node, shape, label, context);
    case "number":
      return flawless(node, flawOfNumber(node, shape), label, context);
    case "choice":
      return checkChoice(node, shape, label, context);
    case "constant":
      return flawless(
        node,
        node.value === shape.value ? undefined : `must be ${shape.value}`,
        label,
        context,
      );
    case "scalar":
      return typeof node.value === "string" ? insert(node, shape.insert, context) : node;
    default:
      return { ...node, sound: false };
  }
}

function checkText(node: ScalarNode, shape: TextShape, label: string, context: CheckContext): ScalarNode {
  const form = FORMS[shape.form]!;
  if (typeof node.value !== "string") {
    const hint = isEmpty(node) ? "Give it a value, or remove the key" : `Put it in quotes: "${node.value}"`;
    context.report.error(node, `${label} must be a text, not ${describeNode(node)}`, hint);
    return { ...node, sound: false };
  }
  if (!new RegExp(form.pattern).test(node.value)) {
    return flawless(node, `${quote(node.value)} must be ${form.says}`, label, context);
  }
  return insert(node, shape.insert, context);
}

function checkChoice(node: ScalarNode, shape: ChoiceShape, label: string, context: CheckContext): ScalarNode {
  if (shape.of.includes(node.value as string | boolean)) return node;
  const value = String(node.value);
  if (shape.later?.includes(value)) {
    const hint = `Supported now: ${shape.of.join(", ")}`;
    context.report.error(node, `${label} ${quote(value)} is not supported yet`, hint);
  } else {
    const words = shape.of.map(String);
    context.report.error(node, `${label} cannot be ${quote(value)}`, suggestion(value, words));
  }
  return { ...node, sound: false };
}

function flawOfNumber(node: ScalarNode, shape: NumberShape): string | undefined {
  if (typeof node.value === "string" && shape.words?.includes(node.value)) return undefined;
  if (typeof node.value !== "number") return `must be ${describe(shape)}, not ${describeNode(node)}`;
  if (shape.integer === true && !Number.isInteger(node.value)) return `must be a whole number`;
  if (shape.min !== undefined && node.value < shape.min) return `must not be below ${shape.min}`;
  return shape.max !== undefined && node.value > shape.max ? `must not be above ${shape.max}` : undefined;
}

function flawless(
  node: ScalarNode,
  flaw: string | undefined,
  label: string,
  context: CheckContext,
): ScalarNode {
  if (flaw === undefined) return node;
  context.report.error(node, `${label}: ${flaw}`);
  return { ...node, sound: false };
}

function insert(node: ScalarNode, place: Insertion | undefined, context: CheckContext): ScalarNode {
  if (place === undefined) return node;
  const { text, missing, used } = expand(String(node.value), place, context.variables);
  for (const name of missing) {
    const hint = `Start with --var ${name}=VALUE; a plain '$' is written '$$'`;
    context.report.error(node, `Variable ${quote(`$${name}`)} is not defined`, hint);
  }
  const refused = used.map(context.refuseVariable).find((reason) => reason !== undefined);
  if (refused !== undefined) context.report.error(node, refused);
  return { ...node, value: text, sound: missing.length === 0 && refused === undefined };
}

function isEmpty(node: Node): boolean {
  return node.kind === "scalar" && node.value === null;
}

function describeNode(node: Node): string {
  if (node.kind !== "scalar") return node.kind === "map" ? "a map" : "a list";
  if (node.value === null) return "empty";
  return typeof node.value === "string" ? "a text" : `the ${typeof node.value} ${node.value}`;
}

/** What a place takes, for hints. */
function describe(shape: Shape): string {
  switch (shape.kind) {
    case "text":
      return FORMS[shape.form]!.says;
    case "choice":
      return shape.of.join(" or ");
    case "constant":
      return String(shape.value);
    case "number":
      return ["a number", ...(shape.words ?? [])].join(" or ");
    case "scalar":
      return "a single value";
    case "list":
      return "a list such as [a, b]";
    case "record":
      return "a map of 'key: value' lines";
    case "map":
      return shape.example ?? `a map with ${Object.keys(shape.keys).join(", ")}`;
    case "named":
      return describe(SHAPES[shape.name]!);
    case "either":
      return (shape as EitherShape).of.map(describe).join(", or ");
  }
}
