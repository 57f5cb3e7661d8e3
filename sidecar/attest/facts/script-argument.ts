/**
 * Which word of an interpreter's command line is its script. Pure, and cautious: an option that is not known to be
 * harmless means that the script cannot be told, since it might bring other code or take the next word for itself.
 */
import type { RuntimeKind } from "../../model/evidence.ts";
import { unsafeOption } from "../../platform/self-defence.ts";

/** Why there is no script: a short code for the absent fact. */
export type NoScript =
  | "script-none"
  | "script-inline"
  | "script-not-alone"
  | "script-unclear"
  | "script-remote"
  | "no-interpreter";

interface Grammar {
  /** Words before the script that are commands of the interpreter: `run`. */
  readonly commands?: readonly string[];
  /** Options that change nothing about which code runs. */
  readonly harmless: RegExp;
  /** Options that take the next word. */
  readonly valued?: RegExp;
  /** The code comes from elsewhere: the command line, standard input, a module by its name. */
  readonly inline: RegExp;
  /** Other code comes with it. */
  readonly brings?: RegExp;
}

const GRAMMARS: Readonly<Partial<Record<RuntimeKind, Grammar>>> = {
  node: {
    harmless:
      /^--(no-[a-z-]+|enable-source-maps|trace-[a-z-]+|expose-gc|use-[a-z]+-ca|disable-warning=.*|max-[a-z-]+=\d+|stack-size=\d+|experimental-(?!.*(loader|config|import))[a-z-]+)$/,
    inline: /^(-[epi]+|--eval.*|--print.*|--interactive|--test.*|--run.*|--watch.*|--check|-c|-)$/,
    brings:
      /^(-r.*|-C.*|--(require|import|loader|experimental-loader|conditions|env-file|build-snapshot).*)$/,
  },
  bun: {
    commands: ["run"],
    harmless: /^--(smol|silent|no-[a-z-]+|bun)$/,
    inline: /^(-[ep]|--eval.*|--print.*|-)$/,
    brings: /^(-r.*|--(preload|require|import|config|env-file|define|loader).*)$/,
  },
  deno: {
    commands: ["run"],
    harmless:
      /^(-A|-q|--quiet|--(allow|deny|no|unstable)-[a-z-]+(=.*)?|--allow-all|--unstable|--cached-only)$/,
    inline: /^(-|--eval.*)$/,
    brings: /^(--(import-map|config|preload|import|require|env-file|location).*|-c|-c=.*)$/,
  },
  python: {
    harmless: /^-[uBEsSIOvbqdP]+$/,
    valued: /^-[WX]$/,
    inline: /^(-[a-zA-Z]*[cmi].*|-)$/,
  },
  ruby: { harmless: /^(-w|-W\d?|--disable[=-][a-z]+)$/, inline: /^(-[a-z]*e.*|-)$/, brings: /^-[rIC].*$/ },
  perl: { harmless: /^-[wWTtX]+$/, inline: /^(-[a-z]*[eE].*|-)$/, brings: /^-[MmI].*$/ },
  shell: { harmless: /^-[euxfn]+$/, valued: /^[-+]o$/, inline: /^(-[a-z]*[cis].*|--login|-)$/ },
};

/** @param argv With argv[0]. @returns The word as it was given, or why there is none. */
export function scriptArgument(
  kind: RuntimeKind,
  argv: readonly string[],
): { readonly script: string } | NoScript {
  const grammar = GRAMMARS[kind];
  if (grammar === undefined) return kind === "native" ? "no-interpreter" : "script-unclear";
  const { commands = [], valued, harmless, inline, brings } = grammar;
  let commanded = false;
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === "--") return named(argv[at + 1]);
    if (!word.startsWith("-") && !(kind === "shell" && word.startsWith("+"))) {
      if (commanded || !commands.includes(word)) return named(word);
      commanded = true;
      continue;
    }
    if (brings?.test(word) === true) return "script-not-alone";
    if (inline.test(word)) return "script-inline";
    if (kind === "node" && unsafeOption([word]) !== undefined) return "script-not-alone";
    if (valued?.test(word) === true) at++;
    else if (!harmless.test(word)) return "script-unclear";
  }
  return "script-none";
}

function named(word: string | undefined): { readonly script: string } | NoScript {
  if (word === undefined || word === "") return "script-none";
  // deno and bun run what is at a URL or in a registry.
  return /^(?:[a-z][a-z0-9+.-]+:|[a-z]+:\/\/)/i.test(word) ? "script-remote" : { script: word };
}
