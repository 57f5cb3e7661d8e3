/**
 * A policy's text as a tree that remembers where everything stands.
 *
 * Maps are `Map`s: a key such as `__proto__` is a key like any other.
 */

/** Where something stands in the file; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type Scalar = string | number | boolean | null;

export interface ScalarNode extends Place {
  readonly kind: "scalar";
  readonly value: Scalar;
  /** False when the check found an error in it; nothing unsound is ever compiled. */
  readonly sound: boolean;
}

export interface ListNode extends Place {
  readonly kind: "list";
  readonly items: readonly Node[];
  readonly sound: boolean;
}

export interface MapNode extends Place {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, Entry>;
  readonly sound: boolean;
}

export interface Entry {
  readonly key: ScalarNode;
  readonly value: Node;
}

export type Node = ScalarNode | ListNode | MapNode;

/** The value under a key, if it is there and has no error in it. */
export function field(map: MapNode | undefined, key: string): Node | undefined {
  const node = map?.entries.get(key)?.value;
  return node?.sound ? node : undefined;
}

export function mapField(map: MapNode | undefined, key: string): MapNode | undefined {
  const node = field(map, key);
  return node?.kind === "map" ? node : undefined;
}

export function textField(map: MapNode | undefined, key: string): string | undefined {
  const node = field(map, key);
  return node?.kind === "scalar" && typeof node.value === "string" ? node.value : undefined;
}

/** The scalars of a list, or the one scalar that stands where a list may. */
export function scalarsOf(node: Node | undefined): readonly ScalarNode[] {
  if (node === undefined || node.kind === "map") return [];
  if (node.kind === "scalar") return [node];
  return node.items.filter((item) => item.kind === "scalar");
}

export function textsOf(node: Node | undefined): readonly string[] {
  return scalarsOf(node).map((item) => String(item.value));
}
