/**
 * The policy language as one table of data. The checks (`text/check.ts`) and the JSON Schema (`text/schema.ts`) are
 * both read from it, so they cannot disagree. What the words do is in `match/` and `judge/`.
 */
import { CLIENT } from "./client-language.ts";
import { SESSION } from "./session-language.ts";
import { BOOTSTRAP_FILE, SECRETS } from "./token-language.ts";
import { choice, list, map, oneOrMore, text } from "./text/shorthand.ts";
import type { Form, MapShape, Shape } from "./text/shape.ts";

export const FORMS: Readonly<Record<string, Form>> = {
  any: { pattern: "^[^\\u0000]*$", says: "a text without NUL" },
  text: { pattern: "^[^\\u0000]+$", says: "a text that is not empty, without NUL" },
  name: {
    pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
    says: "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
  },
  // No dot: names such as `resources.allow` stand for sections in decisions and in the audit log.
  ruleName: { pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", says: "1 to 64 letters, digits, '_' or '-'" },
  trustDomain: { pattern: "^[a-z0-9._-]{1,255}$", says: "lower-case letters, digits, '.', '_' or '-'" },
  date: {
    pattern: "^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}:\\d{2}Z)?$",
    says: "a date such as 2027-06-30, or a time such as 2027-06-30T12:00:00Z",
  },
  sha256: { pattern: "^[0-9a-f]{64}$", says: "a sha256 digest of 64 lower-case hex digits" },
  duration: { pattern: "^[0-9]{1,6}(ms|s|m)$", says: "a time span such as 500ms, 2s or 1m" },
  timespan: {
    pattern: "^[1-9][0-9]{0,5}(ms|s|m|h|d)$",
    says: "a time span such as 30s, 15m, 8h or 2d, not 0",
  },
  variable: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$", says: "the name of an environment variable" },
  message: { pattern: "^[^\\u0000-\\u001f\\u007f]{1,500}$", says: "one line of at most 500 characters" },
  method: {
    pattern: "^[^\\s\\u0000-\\u001f]{1,128}$",
    says: "a method's exact name, such as completion/complete",
  },
  uriPattern: {
    pattern: "^(\\*|\\*\\*|[A-Za-z][A-Za-z0-9+.-]*:[^]*)$",
    says: "a URI with its scheme, or '*'",
  },
  scheme: { pattern: "^[A-Za-z][A-Za-z0-9+.-]*$", says: "a URL's scheme without the colon, such as https" },
  digest: {
    pattern: "^([0-9a-f]{64}|trust:[A-Za-z0-9][A-Za-z0-9._-]{0,63})$",
    says: "a sha256 digest of 64 lower-case hex digits, or trust:NAME for an entry of the trust file",
  },
  account: {
    pattern: "^[A-Za-z_][A-Za-z0-9_.-]{0,63}\\$?$",
    says: "the name of a user or group, as /etc/passwd or /etc/group has it",
  },
  selector: {
    pattern: "^[a-z]+:[a-z0-9_]+:[^\\u0000-\\u001f\\u007f]+$",
    says: "a selector, such as proc:env:LD_* or unix:group:docker",
  },
};

const matcher: Shape = { kind: "named", name: "matcher" };
const whether = choice("allow", "deny");

/** What may be said of one argument. Each word has its judge in `match/words.ts`. */
const MATCHER = map("a matcher", {
  equals: { doc: "Is exactly this value, of exactly this type", shape: { kind: "scalar", insert: "plain" } },
  in: { doc: "Is one of these values", shape: list({ kind: "scalar", insert: "plain" }) },
  glob: {
    doc:
      "A text that matches: '**' anything, '*' and '?' anything but '/', [a-z], {a,b}. In deny rules '*' passes '/'",
    shape: oneOrMore(text("text", "glob")),
  },
  regex: {
    doc: "RE2 regular expression: the whole text in allow rules, any part of it in deny rules",
    shape: text("text", "regex"),
  },
  under: {
    doc: "An absolute path inside this folder, symlinks resolved",
    shape: {
      kind: "either",
      of: [
        text("text", "path"),
        map("'under'", {
          root: { doc: "The folder", shape: text("text", "path"), required: true },
          except: {
            doc: "Globs on the resolved path: what they match, and all below it, does not count as inside",
            shape: list(text("text", "glob")),
          },
          relative: { doc: "'ok' resolves relative paths against the server's folder", shape: choice("ok") },
        }),
      ],
    },
  },
  min: { doc: "A number not smaller than this", shape: { kind: "number" } },
  max: { doc: "A number not larger than this", shape: { kind: "number" } },
  min_length: {
    doc: "At least so many characters; elements where 'type: array' is given",
    shape: { kind: "number", min: 0, integer: true },
  },
  max_length: {
    doc: "At most so many characters; elements where 'type: array' is given",
    shape: { kind: "number", min: 0, integer: true },
  },
  type: {
    doc: "Is of this JSON type, or one of these",
    shape: oneOrMore(choice("string", "number", "integer", "boolean", "null", "array", "object")),
  },
  host: {
    doc: "A URL with this host: example.com, or *.example.com",
    shape: oneOrMore(text("text", "plain")),
  },
  scheme: { doc: "A URL with this scheme", shape: oneOrMore(text("scheme")) },
  present: { doc: "The argument is given, whatever it is", shape: { kind: "constant", value: true } },
  absent: {
    doc:
      "true: the argument is not given. ok (allow rules): it may be missing; else the other words must hold",
    shape: { kind: "choice", of: [true, "ok"] },
  },
  all: { doc: "Every one of these matchers", shape: list(matcher) },
  any: { doc: "At least one of these matchers", shape: list(matcher) },
  not: { doc: "Not this matcher", shape: matcher },
});

const RULE = map(
  "a rule",
  {
    name: {
      doc: "Named in decisions, refusals and the audit log; unique",
      shape: text("ruleName"),
      required: true,
    },
    tools: { doc: "Exact tool names, or globs such as read_*", shape: list(text("text")), required: true },
    args: {
      doc: "Matchers by argument: a dotted path, a JSON Pointer, or every(…) / some(…) with * and **",
      shape: { kind: "record", key: "text", of: matcher },
    },
    other_args: {
      doc: "'allow' lets a call carry arguments that 'args' does not name",
      shape: choice("allow"),
    },
    effect: {
      doc: "allow; deny, which beats every allow; or hide, which is deny and absent from lists",
      shape: { kind: "choice", of: ["allow", "deny", "hide"], later: ["approve"] },
      required: true,
    },
    message: { doc: "What a refused caller is told", shape: text("message") },
    clients: {
      doc: "Names of entries under 'clients': the rule speaks of these callers only",
      shape: list(text("name")),
    },
  },
  "when",
  "bind",
  "claim",
  "approval",
  "rate",
);

const SERVER = map("'server'", {
  command: { doc: "Program and arguments, started without a shell", shape: list(text("any", "plain")) },
  cwd: { doc: "The server's folder", shape: text("text", "path") },
  executable: {
    doc: "What the program's file must be",
    shape: map("'server.executable'", {
      sha256: { doc: "Accepted digests", shape: oneOrMore(text("sha256")), required: true },
    }),
  },
  files: {
    doc: "Digests of further files, such as the script that an interpreter is given",
    shape: { kind: "record", key: "text", insertKey: "path", of: text("sha256") },
  },
  env: {
    doc: "The server's environment; without it only what every program needs",
    shape: map(
      "'server.env'",
      {
        preset: { doc: "What such a launcher needs", shape: choice("npx", "uvx", "docker") },
        pass: {
          doc:
            "Variables handed on as they are; the default is HOME LANG LC_* LOGNAME PATH SHELL TERM TMPDIR TZ USER",
          shape: list(text("variable")),
        },
        set: {
          doc: "Variables with their values",
          shape: { kind: "record", key: "variable", of: text("any", "plain") },
        },
        secrets: SECRETS,
      },
    ),
  },
  bootstrap_file: BOOTSTRAP_FILE,
  stop: {
    doc: "How it is stopped",
    shape: map("'server.stop'", {
      grace: { doc: "Time between the steps: end of input, SIGTERM, SIGKILL", shape: text("duration") },
    }),
  },
  restart: {
    doc: "Only never, for now",
    shape: { kind: "choice", of: ["never"], later: ["on-crash"] },
  },
  stdio: { doc: "What its standard streams are made of", shape: choice("socket", "pipe") },
});

const AUDIT = map(
  "'audit'",
  {
    file: { doc: "Absolute, or under ~/", shape: text("text", "path") },
    arguments: { doc: "What is recorded of arguments: only a keyed digest", shape: choice("digest") },
    durability: {
      doc: "buffered: handed to the kernel; group: synced to disk in groups",
      shape: { kind: "choice", of: ["buffered", "group"], later: ["strict"] },
    },
    on_failure: {
      doc: "What happens to calls while it cannot be written",
      shape: choice("deny", "continue"),
    },
  },
  "key",
  "anchor",
);

export const POLICY: MapShape = map(
  "the policy",
  {
    version: { doc: "Version of this language", shape: { kind: "constant", value: 1 }, required: true },
    name: { doc: "The server's name, for audit and sockets", shape: text("name"), required: true },
    trust_domain: { doc: "Of SPIFFE IDs; localhost unless given", shape: text("trustDomain") },
    expires: { doc: "Refused after this day (UTC), or from this time on", shape: text("date") },
    server: { doc: "How the server is launched", shape: SERVER },
    clients: {
      doc:
        "Who may connect: the first that matches names the caller. Without it, any process of the guard's user",
      shape: list({ kind: "named", name: "client" }),
    },
    session: { doc: "How long a session lasts, and how many there may be", shape: SESSION },
    default: { doc: "What happens to what nothing speaks of; deny unless given", shape: whether },
    rules: { doc: "Their order does not matter", shape: list({ kind: "named", name: "rule" }) },
    resources: {
      doc: "Which resources may be listed and read",
      shape: map("'resources'", {
        allow: { doc: "URI globs; everything else is refused", shape: list(text("uriPattern", "uri")) },
        deny: { doc: "URI globs that beat 'allow'", shape: list(text("uriPattern", "uri")) },
      }),
    },
    prompts: {
      doc: "Which prompts may be listed and got",
      shape: map("'prompts'", {
        allow: { doc: "Names or globs; everything else is refused", shape: list(text("text")) },
        deny: { doc: "Names or globs that beat 'allow'", shape: list(text("text")) },
      }),
    },
    methods: {
      doc: "Exceptions for whole methods",
      shape: map("'methods'", {
        allow: { doc: "Methods that MCP does not define", shape: list(text("method")) },
        deny: { doc: "Methods that are refused", shape: list(text("method")) },
      }),
    },
    from_server: {
      doc: "What the server may ask of the client",
      shape: map("'from_server'", {
        sampling: { doc: "Ask the client's model", shape: whether },
        elicitation: { doc: "Ask the user", shape: whether },
        roots: { doc: "Ask for the client's folders", shape: whether },
      }),
    },
    audit: { doc: "The audit log", shape: AUDIT },
    mode: { doc: "observe: decide and log, do not block", shape: choice("enforce", "observe") },
  },
  "extends",
  "pins",
  "responses",
  "approvals",
);

/** Shapes that are referred to by name, so that matchers can hold matchers. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  matcher: { ...MATCHER, example: "a matcher, such as {equals: x}, {glob: 'a*'} or {under: $PROJECT}" },
  client: { ...CLIENT, example: "a client, with 'name' and what it must be, such as 'executable'" },
  rule: { ...RULE, example: "a rule, with 'name', 'tools' and 'effect'" },
};

/** The words of a matcher, so that a missing or superfluous judge is found by a test. */
export const MATCHER_WORDS: readonly string[] = Object.keys(MATCHER.keys);
