/** The grammar in which `language.ts` describes the policy language. Data only: checks and schema both read it. */

/** How a text must look. `pattern` is a JavaScript and JSON Schema regular expression for the whole text. */
export interface Form {
  readonly pattern: string;
  /** Completes "must be …". */
  readonly says: string;
}

/** Where a `$VARIABLE` stands decides how its value is escaped. */
export type Insertion = "plain" | "path" | "glob" | "regex" | "uri";

export type Shape =
  | { readonly kind: "text"; readonly form: string; readonly insert?: Insertion }
  /** `words` may stand where the number does. */
  | {
    readonly kind: "number";
    readonly min?: number;
    readonly max?: number;
    readonly integer?: boolean;
    readonly words?: readonly string[];
  }
  /** A closed set of words; those under `later` belong to the language and cannot be enforced yet. */
  | {
    readonly kind: "choice";
    readonly of: readonly (string | boolean)[];
    readonly later?: readonly string[];
  }
  | { readonly kind: "constant"; readonly value: number | boolean }
  /** Any single value: text, number, true, false or null. */
  | { readonly kind: "scalar"; readonly insert?: Insertion }
  | { readonly kind: "list"; readonly of: Shape }
  /** Keys chosen by the author. */
  | { readonly kind: "record"; readonly key: string; readonly insertKey?: Insertion; readonly of: Shape }
  | MapShape
  /** At most one each of a single value, a list and a map: which one is meant is seen by its looks. */
  | { readonly kind: "either"; readonly of: readonly Shape[] }
  | { readonly kind: "named"; readonly name: string };

/** Keys chosen by us. */
export interface MapShape {
  readonly kind: "map";
  /** Completes "Unknown key 'x' in …". */
  readonly says: string;
  readonly keys: Readonly<Record<string, KeyShape>>;
  /** For hints, where the list of keys alone would not help. */
  readonly example?: string;
  /** Words of the language that cannot be enforced yet, so they are refused. */
  readonly later?: readonly string[];
}

export interface KeyShape {
  readonly doc: string;
  readonly shape: Shape;
  readonly required?: true;
}
