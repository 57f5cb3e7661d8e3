/**
 * The child's environment: an allow-list, and nothing else.
 *
 * Variables carry secrets meant for others, and some make a program load code. So a variable reaches the server only
 * because a list names it. The lists are pinned literally in a test.
 */
import { GuardError } from "../model/errors.ts";

export type EnvironmentPreset = "npx" | "uvx" | "docker";

export interface EnvironmentRules {
  readonly preset?: EnvironmentPreset | undefined;
  /** Names, or a beginning followed by `*`. Undefined: {@linkcode DEFAULT_PASS}. */
  readonly pass?: readonly string[] | undefined;
  /** Set as they are, whatever the lists say. */
  readonly set?: Readonly<Record<string, string>> | undefined;
  /** Further names, from the command line (`--pass-env`). */
  readonly passEnv?: readonly string[] | undefined;
}

/**
 * What passes when a policy does not say: sudo's list, as the MCP SDK has it (HOME LOGNAME PATH SHELL TERM USER), and what
 * decides how text and time are written and where temporary files go. None of them holds a secret or loads code.
 */
export const DEFAULT_PASS: readonly string[] = [
  "HOME",
  "LANG",
  "LC_*",
  "LOGNAME",
  "PATH",
  "SHELL",
  "TERM",
  "TMPDIR",
  "TZ",
  "USER",
];

/** Without these a machine behind a company's proxy downloads nothing. A proxy's URL may hold a password. */
const NETWORK = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "SSL_CERT_DIR",
  "SSL_CERT_FILE",
];

/**
 * What each launcher needs beside the defaults to find its caches, its registry and its daemon.
 *
 * Left out on purpose: `npm_config_*` and `UV_*` as a whole (`npm_config_node_options` and `npm_config_script_shell`
 * start code, `npm_config__auth` and `UV_INDEX_*_PASSWORD` are credentials: name them under `pass`), and SSH_AUTH_SOCK,
 * which signs for the user wherever it likes.
 */
export const PRESETS: Readonly<Record<EnvironmentPreset, readonly string[]>> = {
  npx: [
    ...NETWORK,
    "NODE_EXTRA_CA_CERTS",
    // Where npm keeps packages, and what it reads its settings from. npm takes them in either case.
    "npm_config_cache",
    "npm_config_prefix",
    "npm_config_registry",
    "npm_config_userconfig",
    "NPM_CONFIG_CACHE",
    "NPM_CONFIG_PREFIX",
    "NPM_CONFIG_REGISTRY",
    "NPM_CONFIG_USERCONFIG",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
  ],
  uvx: [
    ...NETWORK,
    "UV_CACHE_DIR",
    "UV_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_LINK_MODE",
    "UV_NATIVE_TLS",
    "UV_OFFLINE",
    "UV_PYTHON",
    "UV_PYTHON_DOWNLOADS",
    "UV_PYTHON_INSTALL_DIR",
    "UV_PYTHON_PREFERENCE",
    "UV_TOOL_DIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
  ],
  docker: [
    // Which daemon, and how to reach it. CONTAINER_HOST is podman's name for DOCKER_HOST; rootless daemons are found
    // through XDG_RUNTIME_DIR.
    "CONTAINER_HOST",
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_DEFAULT_PLATFORM",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "XDG_RUNTIME_DIR",
  ],
};

/**
 * Variables that make a program load or start other code. A pattern such as `NODE_*` does not pass them: only their
 * full name under `pass`, `passEnv` or `set` does.
 */
const CODE_LOADING =
  /^(?:LD_|DYLD_|GLIBC_TUNABLES$|GCONV_PATH$|NODE_OPTIONS$|NODE_PATH$|BUN_|DENO_|PYTHON|PERL5?|RUBY|GEM_|JAVA_TOOL_OPTIONS$|_JAVA_OPTIONS$|JDK_JAVA_OPTIONS$|BASH_ENV$|ENV$|PROMPT_COMMAND$|npm_config_|NPM_CONFIG_)/;

/**
 * Builds the whole environment of the child.
 *
 * @param source Ours: `process.env`.
 * @param options.inheritAll Everything passes, shell functions and code-loading variables included: for a guard without
 *   a policy, which changes nothing, and says so.
 * @throws {GuardError} `ERR_CONFIG_INVALID` for a name or value that no environment can hold.
 */
export function childEnvironment(
  rules: EnvironmentRules,
  source: NodeJS.ProcessEnv,
  options: { readonly inheritAll?: boolean } = {},
): Record<string, string> {
  // Null prototype: a variable named `__proto__` is a variable like any other.
  const environment: Record<string, string> = Object.create(null) as Record<string, string>;
  const isListed = options.inheritAll === true ? () => true : matcher(rules);
  for (const [name, value] of Object.entries(source)) {
    if (value !== undefined && isListed(name, value)) environment[name] = value;
  }
  for (const [name, value] of Object.entries(rules.set ?? {})) {
    environment[checkName(name)] = checkValue(name, value);
  }
  return environment;
}

function matcher(rules: EnvironmentRules): (name: string, value: string) => boolean {
  const listed = [
    ...(rules.pass ?? DEFAULT_PASS),
    ...(rules.passEnv ?? []),
    ...(rules.preset === undefined ? [] : PRESETS[rules.preset]),
  ];
  const names = new Set(listed.filter((entry) => !entry.endsWith("*")).map(checkName));
  const prefixes = listed.filter((entry) => entry.endsWith("*")).map((entry) => entry.slice(0, -1));
  return (name, value) => {
    // bash takes such a value for a function and defines it: code, under any name (CVE-2014-6271).
    if (value.startsWith("()")) return false;
    return names.has(name) ||
      !CODE_LOADING.test(name) && prefixes.some((prefix) => name.startsWith(prefix));
  };
}

function checkName(name: string): string {
  if (name !== "" && !/[=\0]/.test(name)) return name;
  throw new GuardError("ERR_CONFIG_INVALID", `Cannot name an environment variable '${name}'`);
}

function checkValue(name: string, value: string): string {
  if (!value.includes("\0")) return value;
  throw new GuardError("ERR_CONFIG_INVALID", `Cannot set the environment variable '${name}': it holds a NUL`);
}
