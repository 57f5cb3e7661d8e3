import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withTempDir } from "../harness.ts";
import { judgeDocLint } from "./doc-lint.ts";
import { denoBinary } from "./runtimes.ts";

/** What deno itself says of a module: its form of output is not promised anywhere. */
function lintText(text: string): Promise<string> {
  return withTempDir((folder) => {
    const file = join(folder, "mod.ts");
    writeFileSync(file, text);
    const env = { ...process.env, NO_COLOR: "1" };
    const { stdout, stderr, status } = spawnSync(denoBinary(), ["doc", "--lint", file], {
      encoding: "utf8",
      env,
    });
    return judgeDocLint(stdout + stderr, status);
  });
}

const docs = suite("judgeDocLint()");
docs(
  "an exported symbol without a description is reported with its place",
  async () => {
    assert.match(
      await lintText("export const a = 1;\n"),
      /mod\.ts:1: exported symbol is missing JSDoc/,
    );
  },
);
docs("described symbols pass, whatever their fields", async () => {
  assert.is(
    await lintText(
      "/** For trying. */\nexport interface A {\n  readonly b: number;\n}\n",
    ),
    "",
  );
});
docs("a failure of deno itself is not taken for silence", async () => {
  assert.is.not(await lintText("export const = ;\n"), "");
});
docs.run();
