import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { GuardError } from "../../sidecar/model/errors.ts";
import { refuseUnsafeStart } from "../../sidecar/platform/self-defence.ts";

const test = suite("refuseUnsafeStart()");

function refuses(env: Record<string, string>, execArgv: readonly string[]): boolean {
  try {
    refuseUnsafeStart(env, execArgv);
    return false;
  } catch (error) {
    assert.instance(error, GuardError);
    assert.is((error as GuardError).code, "ERR_CONFIG_INVALID");
    return true;
  }
}

const UNSAFE = [
  "--inspect",
  "--inspect=0",
  "--inspect-brk",
  "--inspect_brk",
  "--inspect-wait=127.0.0.1:0",
  "--inspect-port=0",
  "--debug-port=0",
  "--require=./x",
  "--require ./x",
  "-r ./x",
  "-r./x",
  "--import=./x.mjs",
  "--import data:text/javascript,1",
  "--loader=./x.mjs",
  "--experimental-loader ./x.mjs",
  "--experimental_loader ./x.mjs",
  "--max-old-space-size=512 --require ./x",
  '"--require" ./x',
  '"--re\\quire=./x"',
  '--title="a b" -r x',
  "\t--import=./x",
  "--max-old-space-size=512\n--import=./x",
  "--env-file=.env",
  "--openssl-config=x.cnf",
  "--eval=1",
  "-e 1",
  "-p 1",
  "-pe 1",
  "--snapshot-blob=x",
  "--heapsnapshot-signal=SIGUSR2",
];

for (const options of UNSAFE) {
  test(`${JSON.stringify(options)} is refused in NODE_OPTIONS and as arguments`, () => {
    assert.ok(refuses({ NODE_OPTIONS: options }, []));
    if (!/["\n\t]/.test(options)) assert.ok(refuses({}, options.split(" ")));
  });
}

const SAFE = [
  "",
  " ",
  "--max-old-space-size=4096",
  "--max_old_space_size 4096",
  "--no-warnings --enable-source-maps",
  "--dns-result-order=ipv4first",
  "--conditions=require",
  "-C import",
  "--use-openssl-ca",
  "--disable-sigusr1",
  "--unhandled-rejections=strict",
];

for (const options of SAFE) {
  test(`${JSON.stringify(options)} is fine`, () => {
    assert.not(refuses({ NODE_OPTIONS: options }, []));
    assert.not(refuses({}, options.split(" ")));
  });
}

test("other variables are not looked at", () => {
  assert.not(refuses({ OPTIONS: "--require ./x", PATH: "/--inspect" }, []));
});

test("the message names the option, where it is and what to do", () => {
  assert.throws(
    () => refuseUnsafeStart({ NODE_OPTIONS: "--require=/secret/x.js" }, []),
    /^Cannot start: '--require' in NODE_OPTIONS loads code; start mcp-guard without it$/,
  );
});

// What node really does with a spelling decides, not what we believe it does.
const SPELLINGS = [
  "--require=$FILE",
  "--require $FILE",
  "-r $FILE",
  "-r$FILE",
  "-r=$FILE",
  '"--require=$FILE"',
  '"--re\\quire" $FILE',
  '"-""-require=$FILE"',
  "--req=$FILE",
  "--REQUIRE=$FILE",
  "--import=$FILE",
  "--import\t$FILE",
  "--no-warnings  --import $FILE",
  "--experimental_loader=$FILE",
  "--no-require=$FILE",
  "--max-old-space-size=512\n--require=$FILE",
];

test("whatever makes node load a file is refused, however it is spelled", () => {
  const folder = mkdtempSync(join(tmpdir(), "guard-options-"));
  try {
    const file = join(folder, "x.mjs");
    const common = join(folder, "x.cjs");
    for (const path of [file, common]) writeFileSync(path, "process.stderr.write('LOADED');");
    let loaded = 0;
    for (const spelling of SPELLINGS) {
      const options = spelling.replace("$FILE", /import|loader/.test(spelling) ? file : common);
      const run = spawnSync("node", ["-e", "0"], {
        env: { PATH: process.env["PATH"]!, NODE_OPTIONS: options },
      });
      if (!run.stderr.toString().includes("LOADED")) continue;
      loaded++;
      assert.ok(refuses({ NODE_OPTIONS: options }, []), options);
    }
    assert.ok(loaded >= 8, `node loaded the file for ${loaded} spellings`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("an unsafe option is found among any others", () => {
  const filler = fc.constantFrom(
    "--no-warnings",
    "--max-old-space-size=99",
    "--title=x",
    "value",
    "-C",
    "dev",
  );
  fc.assert(
    fc.property(
      fc.array(filler),
      fc.constantFrom("--import=x", "-r", "--inspect-brk"),
      fc.array(filler),
      (a, b, c) => {
        const words = [...a, b, ...c];
        assert.ok(refuses({ NODE_OPTIONS: words.join(" ") }, []));
        assert.ok(refuses({}, words));
        assert.not(refuses({ NODE_OPTIONS: [...a, ...c].join(" ") }, [...a, ...c]));
      },
    ),
  );
});

test("no text makes it fail in another way", () => {
  fc.assert(fc.property(fc.string(), (text) => void refuses({ NODE_OPTIONS: text }, [text])));
});

test.run();
