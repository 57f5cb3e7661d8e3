import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withProgram } from "../attest/fixtures/programs.ts";
import { digest, trustText } from "../config/trust/trust-support.ts";
import { guardCommand, limited, skipUnless, waitUntil, withTempDir } from "../harness.ts";
import { atTerminal, type Ended, noTerminal, type Typed } from "./terminal.ts";

const test = suite("mcp-guard trust");
const which = (name: string) =>
  realpathSync(spawnSync("sh", ["-c", `command -v ${name}`]).stdout.toString().trim());
/** Where version managers are in use `python3` is a script that finds the real one. */
const pythonBinary = () =>
  realpathSync(spawnSync("python3", ["-c", "import sys; print(sys.executable)"]).stdout.toString().trim());
const sha256sum = (path: string) =>
  spawnSync("sha256sum", [path]).stdout.toString().replace("\\", "").slice(0, 64);

/** What a test is lent: a place for a trust file, and a program that is nobody else's. */
interface Lent {
  readonly folder: string;
  readonly trust: string;
  /** A native program with a digest of its own. */
  readonly program: string;
  readonly sha256: string;
}

function withPrograms(body: (lent: Lent) => Promise<void> | void): () => Promise<void> {
  return limited(90_000, () =>
    withTempDir(async (temp) => {
      const folder = realpathSync(temp);
      mkdirSync(join(folder, "config"), { mode: 0o700 });
      const program = join(folder, "sleeper");
      copyUnique(which("sleep"), program);
      await body({
        folder,
        trust: join(folder, "config", "trust.json"),
        program,
        sha256: sha256sum(program),
      });
    }));
}

/** A copy that runs as the original does, and is not the same file to a digest. */
function copyUnique(from: string, to: string): void {
  copyFileSync(from, to);
  appendFileSync(to, to);
  // Last: appending sets the mode anew on Deno.
  chmodSync(to, 0o755);
}

/** `mcp-guard trust …` without a terminal. */
function trust(...args: string[]): { code: number | null; out: string; err: string } {
  const [program, ...rest] = [...guardCommand(), "trust", ...args];
  // A session of its own has no controlling terminal, even when whoever runs the tests sits at one.
  const run = spawnSync("setsid", ["--wait", program!, ...rest], { input: "y\ny\n" });
  return { code: run.status, out: run.stdout.toString(), err: run.stderr.toString() };
}

/** The same at a terminal. */
function typing(typed: Typed, ...args: string[]): Promise<Ended> {
  return atTerminal([...guardCommand(), "trust", ...args], typed);
}

const read = (file: string) => JSON.parse(readFileSync(file, "utf8"));

for (const answer of ["y\n", "YES\n"]) {
  test(
    `a program is trusted after ${JSON.stringify(answer)} at the terminal`,
    withPrograms(async ({ trust: file, program, sha256 }) => {
      if (noTerminal()) return;
      const args = ["add", "claude", "--path", program, "--trust", file, "--note", "2.1.3"];
      const { code, screen, out, err } = await typing({ answer }, ...args);
      assert.equal([code, err], [0, ""]);
      assert.is(out, `Trusted as claude: ${sha256}\n`);
      for (
        const shown of [
          program,
          sha256,
          `uid ${process.getuid!()}; not only root`,
          "native",
          "as claude? [y/N]",
        ]
      ) {
        assert.ok(screen.includes(shown), `${shown} in ${screen}`);
      }
      const { entries: { claude: { digests: [record] } } } = read(file);
      const { added, ...rest } = record;
      assert.equal(rest, { sha256, path: program, kind: "native", by: "path", tested: false, note: "2.1.3" });
      assert.ok(Math.abs(Date.now() - Date.parse(added)) < 60_000);
    }),
  );
}

const NO: readonly [name: string, typed: Typed][] = [
  ["no", { answer: "n\n" }],
  ["Enter alone", { answer: "\n" }],
  ["the end of input", { answer: "\x04" }],
  ["anything else", { answer: "yes, but\n" }],
  ["a line typed before the question, then no", { before: "y\n", answer: "n\n" }],
  ["a line typed before the question, then Enter", { before: "y\ny\ny\n", answer: "\n" }],
  ["a letter typed before the question, then Enter", { before: "y", answer: "\n" }],
];
for (const [name, typed] of NO) {
  test(
    `nothing is trusted after ${name}`,
    withPrograms(async ({ trust: file, program }) => {
      if (noTerminal()) return;
      const { code, out, err } = await typing(typed, "add", "x", "--path", program, "--trust", file);
      assert.equal([code, out], [1, ""]);
      assert.match(err, /it was not confirmed; nothing was changed/);
      assert.not.ok(existsSync(file));
    }),
  );
}

for (const before of ["y\n", "y"]) {
  test(
    `who simply reads an answer takes ${JSON.stringify(before)} for one that was typed before the question`,
    limited(90_000, async () => {
      if (noTerminal()) return;
      const naive = 'sleep 1; printf "Sure? [y/N] " >/dev/tty; read answer </dev/tty; echo "got $answer"';
      const { out } = await atTerminal(["sh", "-c", naive], {
        before,
        answer: before === "y" ? "\n" : "n\n",
      });
      assert.is(out, "got y\n");
    }),
  );
}

test(
  "without a terminal nothing is trusted, whatever stdin says",
  withPrograms(({ trust: file, program }) => {
    const { code, out, err } = trust("add", "x", "--path", program, "--trust", file);
    assert.equal([code, out], [1, ""]);
    assert.match(err, /Cannot ask: there is no terminal \(.*\[ERR_CONFIG_INVALID\]/);
    assert.not.ok(existsSync(file));
    for (const option of ["--yes", "-y", "--force"]) {
      assert.is(trust("add", "x", "--path", program, "--trust", file, option).code, 2, option);
    }
  }),
);

test(
  "what a trusted program starts may trust nothing",
  withPrograms(async ({ folder, trust: file, program }) => {
    if (noTerminal()) return;
    const agent = join(folder, "agent");
    copyUnique(which("sh"), agent);
    const before = trustText({ "my-agent": [digest(sha256sum(agent))] });
    writeFileSync(file, before, { mode: 0o600 });
    const command = [...guardCommand(), "trust", "add", "x", "--path", program, "--trust", file];
    // The agent runs a shell that runs the command, so it is not the parent alone that is looked at.
    const nested = [agent, "-c", '"$@"; exit $?', "agent", "sh", "-c", '"$@"; exit $?', "sh", ...command];
    const { code, err, screen } = await atTerminal(nested, { answer: "y\n" });
    assert.is(code, 1);
    assert.match(err, /it was started by process \d+, which is trusted as 'my-agent'/);
    assert.not.match(screen, /\[y\/N\]/);
    assert.is(readFileSync(file, "utf8"), before);
    const free = await typing({ answer: "y\n" }, "add", "x", "--path", program, "--trust", file);
    assert.equal([free.code, free.err], [0, ""]);
  }),
);

test(
  "who started it must be seen up to the end",
  withPrograms(async ({ trust: file, program }) => {
    if (noTerminal()) return;
    const deep = Array.from({ length: 17 }, () => ["sh", "-c", '"$@"; exit $?', "sh"]).flat();
    const command = [...guardCommand(), "trust", "add", "x", "--path", program, "--trust", file];
    const { code, err } = await atTerminal([...deep, ...command], { answer: "y\n" });
    assert.is(code, 1);
    assert.match(err, /who started this command cannot be told \(depth\)/);
    assert.not.ok(existsSync(file));
  }),
);

test(
  "the image of a process is what is trusted, also when its file is gone",
  withPrograms(async ({ trust: file, program, sha256 }) => {
    if (noTerminal()) return;
    await withProgram([program, "60"], async ({ pid }) => {
      await waitUntil(() => realpathSync(`/proc/${pid}/exe`) === program);
      const here = await typing({ answer: "y\n" }, "add", "a", "--pid", String(pid), "--trust", file);
      assert.equal([here.code, here.err], [0, ""]);
      rmSync(program);
      writeFileSync(program, "something else", { mode: 0o755 });
      const gone = await typing(
        { answer: "y\n" },
        "add",
        "b",
        "--pid",
        String(pid),
        "--trust",
        file,
        "--json",
      );
      assert.is(gone.code, 0);
      assert.match(gone.screen, /no path leads to it \(exe-deleted\)/);
      assert.match(gone.screen, /It is trusted already as a/);
      const { name, added: { sha256: digest, by } } = JSON.parse(gone.out);
      assert.equal([name, digest, by], ["b", sha256, "pid"]);
    });
    const { entries } = read(file);
    assert.equal([entries.a.digests[0].path, "path" in entries.b.digests[0]], [program, false]);
    assert.equal([entries.a.digests[0].sha256, entries.b.digests[0].sha256], [sha256, sha256]);
  }),
);

test(
  "a link is followed to the real file, which is said and kept",
  withPrograms(async ({ folder, trust: file, program }) => {
    if (noTerminal()) return;
    const link = join(folder, "link");
    symlinkSync(program, link);
    const { code, screen } = await typing({ answer: "y\n" }, "add", "x", "--path", link, "--trust", file);
    assert.is(code, 0);
    assert.match(screen, /link' is a link, or lies behind one; this is the real file/);
    assert.is(read(file).entries.x.digests[0].path, program);
  }),
);

test(
  "a file name cannot repaint the question",
  withPrograms(async ({ folder, trust: file, program }) => {
    if (noTerminal()) return;
    const evil = join(folder, "x\x1b[2J\u202e\ny");
    copyFileSync(program, evil);
    const { code, screen } = await typing({ answer: "y\n" }, "add", "x", "--path", evil, "--trust", file);
    assert.is(code, 0);
    assert.not.match(screen, /[\x1b\u202e]/);
    assert.ok(screen.includes("x\\u{1b}[2J\\u{202e}\\u{a}y"), screen);
    assert.is(read(file).entries.x.digests[0].path, evil);
    const list = trust("list", "--trust", file);
    assert.is(list.code, 0);
    assert.not.match(list.out, /[\x1b\u202e]/);
  }),
);

test(
  "who is trusted already in the same way is not asked again",
  withPrograms(({ trust: file, program, sha256 }) => {
    writeFileSync(file, trustText({ x: [digest(sha256)] }), { mode: 0o600 });
    const { code, out } = trust("add", "x", "--path", program, "--trust", file);
    assert.equal([code, out], [0, `Trusted as x: ${sha256}\n`]);
    assert.is(trust("add", "y", "--path", program, "--trust", file).code, 1);
  }),
);

test(
  "a runtime with one program inside is trusted as what it is, and as tested when somebody says so",
  withPrograms(async ({ trust: file, program }) => {
    if (noTerminal()) return;
    // How older versions of deno mark what they compiled.
    appendFileSync(program, "d3n0l4nd0000000000000000");
    const args = ["add", "x", "--path", program, "--trust", file];
    const untested = await typing({ answer: "y\n" }, ...args);
    assert.is(untested.code, 0, untested.err);
    assert.match(untested.screen, /without --tested only an entry with 'grade: heuristic' takes it/);
    const records = () =>
      read(file).entries.x.digests.map((
        { kind, tested }: { kind: string; tested: boolean },
      ) => [kind, tested]);
    assert.equal(records(), [["deno-compiled", false]]);
    const tested = await typing({ answer: "y\n" }, ...args, "--tested");
    assert.is(tested.code, 0, tested.err);
    assert.match(tested.screen, /You say that it runs no code but its own/);
    assert.equal(records(), [["deno-compiled", true]]);
  }),
);

test(
  "a client of the policy that is given may trust nothing",
  withPrograms(async ({ folder, trust: file, program }) => {
    const coreutils = spawnSync("timeout", ["--foreground", "9", "true"]).status === 0;
    if (noTerminal() || skipUnless(coreutils, "needs timeout of GNU coreutils")) return;
    const agent = join(folder, "agent");
    copyUnique(which("timeout"), agent);
    const policy = join(folder, "config", "p.yaml");
    const clients = `clients:\n  - {name: my-agent, executable: {sha256: [${sha256sum(agent)}]}}\n`;
    writeFileSync(policy, `version: 1\nname: test\n${clients}`, { mode: 0o600 });
    const command = [...guardCommand(), "trust", "add", "x", "--path", program, "--trust", file];
    const started = [agent, "--foreground", "60", ...command];
    const refused = await atTerminal([...started, "--policy", policy], { answer: "y\n" });
    assert.is(refused.code, 1);
    assert.match(refused.err, /it was started by process \d+, which is client 'my-agent' of that policy/);
    const unasked = await atTerminal(started, { answer: "y\n" });
    assert.is(unasked.code, 0, unasked.err);
  }),
);

const UNFIT: readonly [name: string, path: (lent: Lent) => string, says: RegExp][] = [
  [
    "this runtime",
    () => process.execPath,
    /\((node|deno)\) runs whatever it is given.*attest --pid <number> --as-policy/,
  ],
  ["python", pythonBinary, /\(python\) runs whatever it is given/],
  ["a shell under another name", ({ folder }) => {
    copyUnique(which("sh"), join(folder, "claude"));
    return join(folder, "claude");
  }, /\((shell|busybox)\) runs whatever it is given/],
  ["a script", ({ folder }) => {
    writeFileSync(join(folder, "s"), "#!/bin/sh\n", { mode: 0o755 });
    return join(folder, "s");
  }, /it is a script, and what runs is its interpreter/],
  ["a relay by its name", () => which("env"), /\(relay\) passes on, or runs, whatever it is given/],
  ["a text", ({ folder }) => {
    writeFileSync(join(folder, "s"), "hello\n", { mode: 0o755 });
    return join(folder, "s");
  }, /cannot be told from its bytes/],
  ["a folder", ({ folder }) => folder, /not a regular file/],
  ["a FIFO", ({ folder }) => {
    spawnSync("mkfifo", [join(folder, "fifo")]);
    return join(folder, "fifo");
  }, /not a regular file/],
  ["what is not there", ({ folder }) => join(folder, "no"), /Cannot trust '.*\/no': ENOENT/],
];
for (const [name, path, says] of UNFIT) {
  test(
    `${name} cannot be trusted, and it says why`,
    withPrograms((lent) => {
      const { code, out, err } = trust("add", "x", "--path", path(lent), "--trust", lent.trust);
      assert.equal([code, out], [1, ""]);
      assert.match(err, says);
      assert.not.ok(existsSync(lent.trust));
    }),
  );
}

test(
  "the process of an interpreter cannot be trusted, and the command that helps is named",
  withPrograms(({ trust: file }) => {
    const { code, err } = trust("add", "x", "--pid", String(process.pid), "--trust", file);
    assert.is(code, 1);
    assert.ok(err.includes(`'mcp-guard attest --pid ${process.pid} --as-policy'`), err);
  }),
);

test("what can be of another user's making is refused", () => {
  if (skipUnless(process.geteuid?.() !== 0, "root may measure every process")) return;
  const { code, err } = trust("add", "x", "--pid", "1", "--trust", "/nowhere/trust.json");
  assert.is(code, 1);
  assert.match(err, /Cannot measure process 1: /);
});

test(
  "--tested of what is no runtime with a program inside is wrong usage",
  withPrograms(({ trust: file, program }) => {
    const { code, err } = trust("add", "x", "--path", program, "--tested", "--trust", file);
    assert.is(code, 2);
    assert.match(
      err,
      /'--tested' says that a runtime with one program inside runs no other code; this is 'native'/,
    );
  }),
);

test.run();
