/** The words of tokens and of the one-time secret; part of the table in `language.ts`. What they mean: `judge/tokens.ts`. */
import type { KeyShape } from "./text/shape.ts";
import { choice, map, text } from "./text/shorthand.ts";

const LARGEST_DESCRIPTOR = 1023;

/** Under `session`. */
export const TOKEN_KEYS: Readonly<Record<"token" | "bootstrap" | "identity_to_server", KeyShape>> = {
  token: {
    doc: "The session's token, an ES256 JWT bound to it and to the client's process",
    shape: map("'session.token'", {
      issue: {
        doc:
          "initialize: to every session as it opens; bootstrap: to the one that shows the one-time secret; none",
        shape: choice("none", "initialize", "bootstrap"),
        required: true,
      },
      ttl: { doc: "How long it counts; 15m unless given", shape: text("timespan") },
      key: {
        doc: "File of a P-256 private key in PEM, absolute or under ~/; a new key at each start unless given",
        shape: text("text", "path"),
      },
      tool: {
        doc: "get_token: the guard offers this tool to clients that know the one-time secret",
        shape: choice("get_token"),
      },
    }),
  },
  bootstrap: {
    doc: "Where the one-time secret is put; a file in the runtime folder unless given",
    shape: map("'session.bootstrap'", {
      file: {
        doc: "Absolute, or under ~/; in a folder that is ours alone (mode 0700)",
        shape: text("text", "path"),
      },
      fd: {
        doc: "An inherited pipe or socket",
        shape: { kind: "number", min: 3, max: LARGEST_DESCRIPTOR, integer: true },
      },
    }),
  },
  identity_to_server: {
    doc: "What the server is told of the caller, in _meta of each request",
    shape: choice("none", "selectors", "token"),
  },
};

/** Under `server.env`. */
export const SECRETS: KeyShape = {
  doc: "Variables whose values are read from files that only root or the guard's user can write",
  shape: {
    kind: "record",
    key: "variable",
    of: map("a secret", {
      file: { doc: "Absolute, or under ~/", shape: text("text", "path"), required: true },
    }),
  },
};

/** Under `server`. */
export const BOOTSTRAP_FILE: KeyShape = {
  doc:
    "Where the server's own one-time secret lies: the guard shows it as 'bootstrap_secret' of the server's get_token",
  shape: text("text", "path"),
};

/** In an entry of `clients`. */
export const CLIENT_BOOTSTRAP: KeyShape = {
  doc: "required: it must show the one-time secret too, beside everything else that the entry asks for",
  shape: choice("required"),
};
