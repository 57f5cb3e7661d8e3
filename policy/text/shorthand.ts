/** Short ways to write shapes, so that the tables of the language read like what they say. */
import type { Insertion, KeyShape, MapShape, Shape } from "./shape.ts";

export function text(form: string, insert?: Insertion): Shape {
  return insert === undefined ? { kind: "text", form } : { kind: "text", form, insert };
}

export function list(of: Shape): Shape {
  return { kind: "list", of };
}

export function oneOrMore(of: Shape): Shape {
  return { kind: "either", of: [of, list(of)] };
}

export function choice(...of: string[]): Shape {
  return { kind: "choice", of };
}

/** @param later Words that cannot be enforced yet. */
export function map(says: string, keys: Record<string, KeyShape>, ...later: string[]): MapShape {
  return { kind: "map", says, keys, later };
}
