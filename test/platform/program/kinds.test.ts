/** What kind of program a file is, told from its bytes: real programs, made ones, and hostile ones. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createDigests } from "../../../sidecar/platform/digests.ts";
import { ElfReader } from "../../../sidecar/platform/program/elf.ts";
import { KindFinder } from "../../../sidecar/platform/program/kind-finder.ts";
import { limited, skipUnless, withTempDir } from "../../harness.ts";
import { denoBinary } from "../../tools/runtimes.ts";

async function kindOf(path: string): Promise<string> {
  const digests = createDigests({ folder: () => undefined });
  try {
    return (await digests.inspect(path)).kind;
  } finally {
    digests.close();
  }
}

function onPath(name: string): string | undefined {
  const run = spawnSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" });
  const path = run.stdout.trim();
  return path.startsWith("/") ? realpathSync(path) : undefined;
}

function pythonBinary(): string | undefined {
  const run = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" });
  return run.status === 0 ? realpathSync(run.stdout.trim()) : undefined;
}

const real = suite("kinds of real programs");
const programs: readonly [name: string, path: string | undefined, kind: string][] = [
  ["node", onPath("node"), "node"],
  ["deno", denoBinary(), "deno"],
  ["python", pythonBinary(), "python"],
  ["perl", onPath("perl"), "perl"],
  ["bash", onPath("bash"), "shell"],
  ["sh", onPath("sh"), "shell"],
  ["sleep", onPath("sleep"), "native"],
  ["git", onPath("git"), "native"],
  ["socat", onPath("socat"), "relay"],
  ["ssh", onPath("ssh"), "relay"],
  ["busybox", onPath("busybox"), "busybox"],
  [
    "ld.so",
    existsSync("/lib64/ld-linux-x86-64.so.2") ? realpathSync("/lib64/ld-linux-x86-64.so.2") : undefined,
    "loader",
  ],
];
for (const [name, path, kind] of programs) {
  real(
    `${name} is ${kind}, also under another name`,
    limited(30_000, () =>
      withTempDir(async (folder) => {
        if (path === undefined || !readFileSync(path).subarray(0, 4).equals(Buffer.from("\x7fELF"))) {
          skipUnless(false, `${name} is not here as a program of its own`);
          return;
        }
        assert.is(await kindOf(path), kind);
        const copy = join(folder, "innocent");
        copyFileSync(path, copy);
        assert.is(await kindOf(copy), kind);
      })),
  );
}

const made = suite("kinds of made programs");

made(
  "a compiled program is native, and no more once something is put into it",
  limited(30_000, () =>
    withTempDir(async (folder) => {
      const source = join(folder, "agent.c");
      const agent = join(folder, "agent");
      writeFileSync(source, "int main(void) { return 0; }\n");
      if (skipUnless(spawnSync("gcc", ["-o", agent, source]).status === 0, "needs gcc")) return;
      assert.is(await kindOf(agent), "native");
      const deno = join(folder, "deno");
      copyFileSync(agent, deno);
      appendFileSync(deno, "d3n0l4nd\0\0\0\0\0\0\0\0");
      assert.is(await kindOf(deno), "deno-compiled");
      const section = join(folder, "section");
      writeFileSync(section, "x".repeat(1000));
      const bun = join(folder, "bun");
      const added = spawnSync("objcopy", ["--add-section", `.bun=${section}`, agent, bun]);
      if (skipUnless(added.status === 0, "needs objcopy")) return;
      chmodSync(bun, 0o755);
      assert.is(await kindOf(bun), "bun-compiled");
    })),
);

made("what is no executable is an unknown runtime", () =>
  withTempDir(async (folder) => {
    const file = join(folder, "script");
    for (const text of ["", "#!/bin/sh\n", "\x7fELF", "MZ".repeat(100)]) {
      writeFileSync(file, text, "latin1");
      assert.is(await kindOf(file), "unknown-runtime");
    }
  }));

const hostile = suite("hostile executables");

function judge(bytes: Buffer): string {
  const source = {
    size: bytes.length,
    read: (offset: number, length: number) =>
      offset >= 0 && length >= 0 && offset + length <= bytes.length
        ? bytes.subarray(offset, offset + length)
        : undefined,
  };
  const finder = new KindFinder(new ElfReader(source).read(), source);
  return finder.kind(new Set());
}

hostile("any bytes, and any executable with bytes changed or cut off: never throws", () => {
  const genuine = readFileSync(onPath("sleep") ?? process.execPath);
  const change = fc.record({ at: fc.nat({ max: 4095 }), value: fc.nat({ max: 255 }) });
  const broken = fc.tuple(fc.array(change, { maxLength: 40 }), fc.nat({ max: genuine.length })).map(
    ([changes, length]) => {
      const bytes = Buffer.from(genuine.subarray(0, length));
      for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
      return bytes;
    },
  );
  const any = fc.uint8Array({ maxLength: 300 }).map((bytes) =>
    Buffer.concat([Buffer.from("\x7fELF\x02\x01\x01", "latin1"), bytes])
  );
  fc.assert(
    fc.property(fc.oneof(broken, any), (bytes) => {
      assert.type(judge(bytes), "string");
    }),
    { numRuns: 300 },
  );
});

hostile("offsets and counts beyond the file make no native program of it", () => {
  const bytes = Buffer.from(readFileSync(onPath("sleep") ?? process.execPath).subarray(0, 8192));
  for (const [at, name] of [[32, "program headers"], [40, "sections"]] as const) {
    const twisted = Buffer.from(bytes);
    twisted.writeBigUInt64LE(0xffff_ffff_ffff_fff0n, at);
    assert.is(judge(twisted), "unknown-runtime", name);
  }
});

real.run();
made.run();
hostile.run();
