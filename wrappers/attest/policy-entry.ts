/**
 * A `clients:` block for the process that was measured, to be read by a person before it is used. Pure.
 *
 * Everything that the process chose (paths, names of variables) stands in quotes or in a comment of one line, so that
 * none of it can become a key of the policy.
 */
import {
  meaningOfProgram,
  type PeerEvidence,
  type ProcessEvidence,
  type ProgramMeaning,
  relayingCommand,
} from "../../sidecar/mod.ts";
import { quotedText, quotedValue } from "./yaml-text.ts";

/** What an entry is made from. */
export interface EntrySource {
  readonly process: PeerEvidence["process"];
  readonly lineage: PeerEvidence["lineage"];
  /** Absent for a process that is nobody's peer but was asked for by number. */
  readonly transport?: PeerEvidence["transport"];
}

/** How an entry is written. */
export interface EntryOptions {
  /** The principal's name. @default {exe-<first 16 hex of sha256>; never a file's name, which anybody can choose} */
  readonly name?: string | undefined;
  /** Our own uid: an entry for it says `self`. */
  readonly ownUid: number | undefined;
}

/** @returns The YAML, or the reason why nothing that could be relied upon can be written. */
export function policyEntry(
  source: EntrySource,
  options: EntryOptions,
): { yaml: string } | { reason: string } {
  const { process } = source;
  if ("absent" in process) return { reason: `nobody could be measured (${process.absent})` };
  const { sha256, runtime, path } = process.executable;
  if ("absent" in sha256) return { reason: `what it runs could not be measured (${sha256.absent})` };
  if ("absent" in runtime) {
    return { reason: `what kind of program it is could not be told (${runtime.absent})` };
  }
  const program = meaningOfProgram(runtime.value, "absent" in path ? undefined : path.value);
  const name = options.name ?? `exe-${sha256.value.slice(0, 16)}`;
  const lines = programLines(process, sha256.value, program, name, source.transport);
  if ("reason" in lines) return lines;
  const entry = [
    `- name: ${quotedText(name)}`,
    ...accountLines(process, options.ownUid),
    ...lines.lines,
    ...relayLines(process, name),
    ...loaderLines(process),
    ...parentLines(source.lineage.ancestors),
  ];
  return { yaml: [...heading(process, source.transport), "clients:", ...indent(entry), ""].join("\n") };
}

type Lines = { readonly lines: readonly string[] } | { readonly reason: string };

function programLines(
  process: ProcessEvidence,
  sha256: string,
  { kind, meaning }: ProgramMeaning,
  name: string,
  transport: EntrySource["transport"],
): Lines {
  switch (meaning) {
    case "itself":
      return { lines: [...gradeLines(transport), ...ownLines(process, sha256, name)] };
    case "compiled":
      return { lines: [...gradeLines(transport), ...compiledLines(process, kind, name)] };
    case "script":
      return scriptLines(process, sha256, kind);
    case "anything":
      return {
        reason:
          `it is a program (${kind}) that passes on, or runs, whatever it is given: never an identity; ` +
          "name the program that speaks through it",
      };
  }
}

function heading({ pid }: ProcessEvidence, transport: EntrySource["transport"]): string[] {
  const at = transport === undefined ? "asked for by its number" : WHERE[transport];
  return [
    `# Process ${pid}, ${at}, as 'mcp-guard attest' measured it.`,
    "# Judge it before you use it: it says who that was, not that it should be let in.",
  ];
}

const WHERE: Readonly<Record<PeerEvidence["transport"], string>> = {
  "stdio-socket": "who made the socket at standard input",
  "stdio-pipe": "who started this at the other end of a pipe",
  "stdio-tty": "who started this at a terminal, where no client is at the other end",
  "stdio-file": "who started this with a file as standard input, where no client is at the other end",
  "unix": "who connected to a Unix socket",
  "tcp": "who connected by TCP",
};

function gradeLines(transport: EntrySource["transport"]): string[] {
  switch (transport) {
    case undefined:
      return [
        "# By number alone it is 'lineage'. As a peer on a socket, which node and bun give their children and a Unix",
        "# door has, it is 'measured'; if it starts the guard with pipes (Python, Go, Rust, Deno), write 'lineage'.",
        "grade: measured",
      ];
    case "stdio-socket":
    case "unix":
      return ["# A socket: the kernel names who writes each message.", "grade: measured"];
    case "stdio-pipe":
      return ["# A pipe: the kernel does not name who writes, so this cannot be more.", "grade: lineage"];
    case "stdio-tty":
    case "stdio-file":
    case "tcp":
      return ["# Anybody of this account could have arranged this.", "grade: heuristic"];
  }
}

function accountLines({ uid }: ProcessEvidence, ownUid: number | undefined): string[] {
  if ("absent" in uid) return [`# uid: absent (${quotedText(uid.absent)})`];
  return [`uid: ${uid.value === ownUid ? "self" : uid.value}`];
}

function ownLines(process: ProcessEvidence, sha256: string, name: string): string[] {
  const { path, immutable } = process.executable;
  const here = "absent" in path ? `no path leads to it (${quotedText(path.absent)})` : quotedText(path.value);
  const roots = "value" in immutable && "value" in path
    ? [
      "# Only root can change that file. To follow its updates, in place of the digest:",
      `# executable: {path: ${quotedValue(path.value)}, immutable: true}`,
    ]
    : [
      "# If it updates itself, in place of the digest, and accept each version at a terminal:",
      `# executable: {sha256: ["trust:${name}"]}    # mcp-guard trust add ${name} --pid ${process.pid}`,
    ];
  return [`# ${here}`, `executable: {sha256: ["${sha256}"]}`, ...roots];
}

function compiledLines({ pid, executable: { path } }: ProcessEvidence, kind: string, name: string): string[] {
  return [
    `# ${
      "absent" in path ? "It" : quotedText(path.value)
    } is a runtime with one program inside (${kind}), which an`,
    "# environment variable may turn back into a plain runtime. Its digest counts once you tried that it does not:",
    "# see 'mcp-guard trust --help', then",
    `#   mcp-guard trust add ${name} --pid ${pid} --tested`,
    `executable: {sha256: ["trust:${name}"]}`,
  ];
}

function scriptLines({ executable, script }: ProcessEvidence, sha256: string, kind: string): Lines {
  if ("absent" in script.sha256) {
    return {
      reason: `it is ${kind}, which runs whatever it is given, and the script could not be measured ` +
        `(${script.sha256.absent}); its digest alone identifies nobody`,
    };
  }
  const { path } = executable;
  return {
    lines: [
      `# ${
        "absent" in path ? "It" : quotedText(path.value)
      } (${kind}) runs whatever it is given, so what counts is the`,
      "# script, and which that is the process says itself: this keeps out accidents, and nobody who wants in.",
      "grade: heuristic",
      `executable: {sha256: ["${sha256}"]}`,
      ...("absent" in script.path ? [] : [`# ${quotedText(script.path.value)}`]),
      `script: {sha256: ["${script.sha256.value}"]}`,
    ],
  };
}

/** The sub-commands by which a trusted program passes on what anybody says. */
function relayLines({ executable: { path } }: ProcessEvidence, name: string): string[] {
  const words = ("absent" in path ? undefined : relayingCommand(path.value)) ?? relayingCommand(name);
  if (words === undefined) return [];
  return [
    `# As ${quotedText(words)} it passes on what anybody says.`,
    `argv: {forbid: [${quotedValue(words)}]}`,
  ];
}

function loaderLines({ loaders }: ProcessEvidence): string[] {
  if ("absent" in loaders || loaders.value.length === 0) return [];
  return [
    "# Variables in its environment make it load other code. They cap the grade at 'heuristic', unless you say that",
    "# these are meant to be there:",
    `# env_ok: [${loaders.value.map(quotedText).join(", ")}]`,
  ];
}

/** Only those whose digest says what they do; a shell in between is nobody. */
function parentLines(ancestors: readonly ProcessEvidence[]): string[] {
  const lines = ancestors.flatMap(({ pid, executable: { sha256, runtime, path } }, hop) => {
    if ("absent" in sha256 || "absent" in runtime) return [];
    if (meaningOfProgram(runtime.value, "absent" in path ? undefined : path.value).meaning !== "itself") {
      return [];
    }
    const before = hop === 0 ? "" : "any-number, ";
    const what = "absent" in path ? "no path" : quotedText(path.value);
    return [`# parents: [${before}{executable: {sha256: ["${sha256.value}"]}}]    # ${pid}, ${what}`];
  });
  return lines.length === 0 ? [] : ["# Who it descends from now; one of them can be demanded:", ...lines];
}

function indent([first, ...rest]: readonly string[]): string[] {
  return [`  ${first}`, ...rest.map((line) => `    ${line}`)];
}
