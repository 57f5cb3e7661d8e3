import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readSecretFiles } from "../../sidecar/config/secret-files.ts";
import { throws, withTempDir } from "../harness.ts";

const secrets = suite("readSecretFiles()");
for (
  const [name, bytes, value] of [
    ["as it stands", "s3cret", "s3cret"],
    ["without the newline at its end", "s3cret\n", "s3cret"],
    ["nor a carriage return before it", "s3cret\r\n", "s3cret"],
    ["with blanks and newlines inside", " a\nb \n\n", " a\nb \n"],
    ["with letters beyond ASCII", "pässword", "pässword"],
    ["that a shell would expand", "$(id) `id` ${HOME}", "$(id) `id` ${HOME}"],
  ] as const
) {
  secrets(`a value is read ${name}`, () =>
    withTempDir((folder) => {
      writeFileSync(join(folder, "a"), bytes, { mode: 0o600 });
      assert.equal({ ...readSecretFiles({ TOKEN: join(folder, "a") }) }, { TOKEN: value });
    }));
}

for (
  const [name, prepare, code] of [
    ["missing", () => {}, "ERR_CONFIG_INVALID"],
    ["empty", (path: string) => writeFileSync(path, ""), "ERR_CONFIG_INVALID"],
    ["a newline alone", (path: string) => writeFileSync(path, "\n"), "ERR_CONFIG_INVALID"],
    ["with a NUL", (path: string) => writeFileSync(path, "s3cret\0x"), "ERR_CONFIG_INVALID"],
    [
      "not UTF-8",
      (path: string) => writeFileSync(path, Buffer.from("s3cret\xff", "latin1")),
      "ERR_CONFIG_INVALID",
    ],
    ["a folder", (path: string) => mkdirSync(path), "ERR_POLICY_UNSAFE"],
    ["writable by a group", (path: string) => {
      writeFileSync(path, "s3cret");
      chmodSync(path, 0o660);
    }, "ERR_POLICY_UNSAFE"],
    ["a device", (path: string) => symlinkSync("/dev/zero", path), "ERR_POLICY_UNSAFE"],
    ["too large", (path: string) => writeFileSync(path, "s3cret".repeat(200_000)), "ERR_POLICY_UNSAFE"],
  ] as const
) {
  secrets(`a file that is ${name} is refused, without a word of it`, () =>
    withTempDir((folder) => {
      const path = join(folder, "a");
      prepare(path);
      const error = throws(() => readSecretFiles({ TOKEN: path }), { code });
      assert.not(error.message.includes("s3cret"));
      assert.ok(error.message.includes(path) || code === "ERR_POLICY_UNSAFE");
    }));
}
secrets.run();
