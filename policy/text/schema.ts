import { FORMS, POLICY, SHAPES } from "../language.ts";
import type { MapShape, Shape } from "./shape.ts";

type Schema = Readonly<Record<string, unknown>>;

/**
 * The language as a JSON Schema (2020-12), for editors that complete and check YAML by one.
 *
 * It says less than `policy check`: what depends on other parts of the file, or on variables, is checked there only.
 */
export function policySchema(): Schema {
  const definitions = Object.entries(SHAPES).map(([name, shape]) => [name, schemaOf(shape)]);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "mcp-guard policy",
    ...schemaOf(POLICY),
    $defs: Object.fromEntries(definitions),
  };
}

function schemaOf(shape: Shape): Schema {
  switch (shape.kind) {
    case "text":
      return { type: "string", ...pattern(shape.form) };
    case "number":
      return schemaOfNumber(shape);
    case "choice":
      return { enum: shape.of };
    case "constant":
      return { const: shape.value };
    case "scalar":
      return { type: ["string", "number", "boolean", "null"] };
    case "list":
      return { type: "array", items: schemaOf(shape.of) };
    case "record":
      return {
        type: "object",
        minProperties: 1,
        propertyNames: pattern(shape.key),
        additionalProperties: schemaOf(shape.of),
      };
    case "map":
      return schemaOfMap(shape);
    case "named":
      return { $ref: `#/$defs/${shape.name}` };
    case "either":
      return { anyOf: shape.of.map(schemaOf) };
  }
}

function schemaOfNumber({ integer, min, max, words }: Extract<Shape, { kind: "number" }>): Schema {
  const number = {
    type: integer ? "integer" : "number",
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
  };
  return words === undefined ? number : { anyOf: [number, { enum: words }] };
}

function schemaOfMap(shape: MapShape): Schema {
  const keys = Object.entries(shape.keys);
  const required = keys.filter(([, key]) => key.required).map(([name]) => name);
  const properties = keys.map(([name, key]) => [name, { description: key.doc, ...schemaOf(key.shape) }]);
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
}

function pattern(form: string): Schema {
  return { pattern: FORMS[form]!.pattern.replaceAll("[^]", "[\\s\\S]") };
}
