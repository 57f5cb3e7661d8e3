import { suite } from "uvu";
import * as assert from "uvu/assert";
import { childEnvironment, DEFAULT_PASS, PRESETS } from "../../sidecar/upstream/environment.ts";
import { throws } from "../harness.ts";

const test = suite("childEnvironment()");

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

test("the lists are these, and nothing else", () => {
  assert.equal(DEFAULT_PASS, [
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
  ]);
  assert.equal(PRESETS, {
    npx: [
      ...NETWORK,
      "NODE_EXTRA_CA_CERTS",
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
  });
});

const source = {
  PATH: "/bin",
  HOME: "/home/a",
  LC_ALL: "C",
  LC_TIME: "C",
  SECRET_TOKEN: "s",
  NODE_OPTIONS: "--inspect",
  LD_PRELOAD: "/x.so",
  PYTHONPATH: "/p",
  npm_config_cache: "/c",
  npm_config__auth: "a",
  npm_config_node_options: "-r x",
  DOCKER_HOST: "unix:///d",
  SSH_AUTH_SOCK: "/s",
  "BASH_FUNC_ls%%": "() { evil; }",
  TERM: "() { evil; }",
  NODE_ENV: "production",
  LDAP: "l",
};
const base = { PATH: "/bin", HOME: "/home/a", LC_ALL: "C", LC_TIME: "C" };
const cases: {
  name: string;
  rules: Parameters<typeof childEnvironment>[0];
  expect: Record<string, string>;
}[] = [
  { name: "without a list the default one applies", rules: {}, expect: base },
  { name: "an empty list passes nothing", rules: { pass: [] }, expect: {} },
  {
    name: "a list takes the place of the default one",
    rules: { pass: ["HOME"] },
    expect: { HOME: "/home/a" },
  },
  { name: "a preset adds its names", rules: { preset: "npx" }, expect: { ...base, npm_config_cache: "/c" } },
  {
    name: "another preset adds others",
    rules: { preset: "docker", pass: [] },
    expect: { DOCKER_HOST: "unix:///d" },
  },
  {
    name: "the command line adds names",
    rules: { pass: [], passEnv: ["SECRET_TOKEN"] },
    expect: { SECRET_TOKEN: "s" },
  },
  {
    name: "a name that loads code passes by its full name",
    rules: { pass: ["NODE_OPTIONS"] },
    expect: { NODE_OPTIONS: "--inspect" },
  },
  {
    name: "a name that loads code does not pass by a pattern",
    rules: { pass: ["NODE_*", "LD*", "npm_config_*"] },
    expect: { NODE_ENV: "production", LDAP: "l" },
  },
  {
    name: "everything by a pattern is not everything",
    rules: { pass: ["*"] },
    expect: {
      ...base,
      SECRET_TOKEN: "s",
      DOCKER_HOST: "unix:///d",
      SSH_AUTH_SOCK: "/s",
      NODE_ENV: "production",
      LDAP: "l",
    },
  },
  {
    name: "a shell function does not pass, even by its name",
    rules: { pass: ["TERM", "BASH_FUNC_ls%%"] },
    expect: {},
  },
  {
    name: "what is set wins over what is passed",
    rules: { pass: ["HOME"], set: { HOME: "/other", NODE_OPTIONS: "" } },
    expect: { HOME: "/other", NODE_OPTIONS: "" },
  },
  { name: "a name that we do not have is absent, not empty", rules: { pass: ["NOT_THERE"] }, expect: {} },
];
for (const { name, rules, expect } of cases) {
  test(name, () => assert.equal({ ...childEnvironment(rules, source) }, expect));
}

test("without a policy everything passes as it is, and what is set is added", () => {
  assert.equal({ ...childEnvironment({ set: { A: "1" } }, source, { inheritAll: true }) }, {
    ...source,
    A: "1",
  });
});

const invalid = [{ set: { "A=B": "x" } }, { set: { "": "x" } }, { set: { A: "x\0y" } }, { pass: ["A\0"] }, {
  passEnv: ["A=B"],
}];
for (const rules of invalid) {
  test(`${JSON.stringify(rules)} is refused`, () => {
    throws(() => childEnvironment(rules, source), { code: "ERR_CONFIG_INVALID" });
  });
}

test("__proto__ is a variable like any other", () => {
  const set = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
  assert.equal(Object.entries(childEnvironment({ set }, {})), [["__proto__", "x"]]);
});

test.run();
