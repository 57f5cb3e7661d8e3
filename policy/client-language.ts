/** The words of one entry under `clients`; part of the table in `language.ts`. What they mean is in `admit/`. */
import type { KeyShape, MapShape, Shape } from "./text/shape.ts";
import { choice, list, map, oneOrMore, text } from "./text/shorthand.ts";

/** The kernel's largest; -1 means "no account" to it. */
const LARGEST_ID = 4_294_967_294;

const id = (...words: string[]): Shape => {
  const number = { kind: "number", min: 0, max: LARGEST_ID, integer: true } as const;
  return oneOrMore(words.length === 0 ? number : { ...number, words });
};

const EXECUTABLE = map("'executable'", {
  sha256: {
    doc: "Accepted digests of the file that runs, or trust:NAME for those of a trust file entry",
    shape: oneOrMore(text("digest")),
  },
  path: {
    doc: "Where the file lies, links resolved. Alone it is no identity: add 'sha256' or 'immutable: true'",
    shape: text("text", "path"),
  },
  immutable: {
    doc: "The file and every folder above it are root's and writable by nobody else",
    shape: { kind: "constant", value: true },
  },
});

const SCRIPT = map("'script'", {
  sha256: {
    doc: "Accepted digests of the script, or trust:NAME",
    shape: oneOrMore(text("digest")),
    required: true,
  },
  path: { doc: "Where the script lies, beside its digest", shape: text("text", "path") },
});

const PROGRAM: Readonly<Record<"executable" | "script", KeyShape>> = {
  executable: { doc: "What it must run", shape: EXECUTABLE },
  script: { doc: "What an interpreter must have been given: only as good as its word", shape: SCRIPT },
};

const PARENT: Shape = {
  kind: "either",
  of: [
    choice("any", "any-number"),
    { ...map("a parent", PROGRAM), example: "a map with executable or script" },
  ],
};

export const CLIENT: MapShape = map(
  "a client",
  {
    name: {
      doc: "Names the caller in rules and in the audit log; unique",
      shape: text("name"),
      required: true,
    },
    grade: {
      doc:
        "How far what is known of its 'executable' and 'script' must be relied upon; measured unless given",
      shape: choice("kernel", "immutable", "measured", "lineage", "heuristic"),
    },
    parents_grade: {
      doc: "The same for its 'parents'; lineage unless given",
      shape: choice("lineage", "heuristic"),
    },
    uid: { doc: "Its user, by number; self is the guard's own, and the default", shape: id("self") },
    user: { doc: "Its user, by name", shape: oneOrMore(text("account")) },
    gid: { doc: "One of its groups, by number", shape: id() },
    group: { doc: "One of its groups, by name", shape: oneOrMore(text("account")) },
    ...PROGRAM,
    parents: {
      doc: "Who started it, nearest first; 'any' is exactly one, 'any-number' zero or more",
      shape: list(PARENT),
    },
    argv: {
      doc: "What its command line must not hold",
      shape: map("'argv'", {
        forbid: {
          doc: "Words that must not follow one another, such as 'mcp serve'",
          shape: list(text("text")),
          required: true,
        },
      }),
    },
    env_ok: {
      doc: "Variables that may load code into it: its user takes the blame",
      shape: list(text("variable")),
    },
    forbid: {
      doc: "Selectors (type:key:value, with *) that it must not have; one that cannot be told counts as had",
      shape: list(text("selector")),
    },
    proof: {
      doc: "not-required lets it act before it is proven that what was measured is what speaks",
      shape: choice("required", "not-required"),
    },
    sender: {
      doc: "first: only its first message must come from the process that was measured",
      shape: choice("every", "first"),
    },
    via: {
      doc: "shim: it is an ancestor of 'mcp-guard connect', which nobody can prove to be the one that speaks",
      shape: choice("direct", "shim"),
    },
    on_new_digest: {
      doc: "What happens to a digest that is not accepted",
      shape: { kind: "choice", of: ["refuse"], later: ["approve"] },
    },
  },
  "bootstrap",
);
