/** The words of `session`; part of the table in `language.ts`. What they mean is in `judge/session.ts`. */
import type { MapShape } from "./text/shape.ts";
import { choice, map, text } from "./text/shorthand.ts";
import { TOKEN_KEYS } from "./token-language.ts";

/** Each session costs memory and a connection, and its own process of the server unless children are shared. */
const MOST_SESSIONS = 4096;

export const SESSION: MapShape = map(
  "'session'",
  {
    children: {
      doc: "per-client: a process of the server for each session, the default; shared: one for all of them",
      shape: choice("per-client", "shared"),
    },
    idle: {
      doc: "Ends a session that asked for nothing, pings aside, and waits for nothing, this long",
      shape: text("timespan"),
    },
    max_age: { doc: "Ends a session this long after it began, whatever it does", shape: text("timespan") },
    max_calls: {
      doc: "Tool calls that a session may make; refused ones do not count",
      shape: { kind: "number", min: 1, max: Number.MAX_SAFE_INTEGER, integer: true },
    },
    max_sessions: {
      doc: "Sessions at a time, over all doors of the guard; 64 unless given",
      shape: { kind: "number", min: 1, max: MOST_SESSIONS, integer: true },
    },
    ...TOKEN_KEYS,
  },
);
