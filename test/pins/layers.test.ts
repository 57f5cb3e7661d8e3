import { suite } from "uvu";
import * as assert from "uvu/assert";
import { importsIn, importsOf } from "../lint/imports.ts";
import { mayImport } from "../lint/layers.ts";

const FOLDERS = ["policy", "sidecar", "wrappers", "examples"];

const layers = suite("layers");
for (const folder of FOLDERS) {
  layers(`${folder}/ imports only what lies below it, and only its own packages`, () => {
    const wrong = importsIn([folder]).filter((it) => !mayImport(it.file, it.specifier, it.target));
    assert.equal(wrong.map((it) => `${it.file} imports ${it.specifier}`), []);
  });
}

layers("the sources are found at all", () => {
  assert.ok(importsIn(["sidecar", "policy", "wrappers"]).length > 30);
});

const forms: readonly [string, string][] = [
  ["a static import", 'import { a } from "../front/door.ts";'],
  ["one over several lines", 'import {\n  a,\n  b,\n} from "../front/door.ts";'],
  ["a type", 'import type { A } from "../front/door.ts";'],
  ["a re-export", 'export { a } from "../front/door.ts";'],
  ["an import for effect", 'import "../front/door.ts";'],
  ["a dynamic import", 'const { a } = await import("../front/door.ts");'],
  ["the type of an import", 'type A = import("../front/door.ts").A;'],
  ["a require", 'const a = require("../front/door.ts");'],
];
for (const [name, text] of forms) {
  layers(`${name} is seen and judged`, () => {
    const [found] = importsOf("sidecar/relay/x.ts", text);
    assert.ok(found);
    assert.is(found.target, "sidecar/front/door.ts");
    assert.not(mayImport(found.file, found.specifier, found.target));
    assert.ok(mayImport("sidecar/sidecar.ts", "./front/door.ts", found.target));
  });
}

const verdicts: readonly [file: string, specifier: string, target: string | undefined, allowed: boolean][] = [
  ["policy/rule.ts", "node:fs", undefined, false],
  ["policy/rule.ts", "yaml", undefined, false],
  ["policy/parse.ts", "yaml", undefined, true],
  ["policy/rule.ts", "../sidecar/model/errors.ts", "sidecar/model/errors.ts", false],
  ["sidecar/model/peer.ts", "node:fs", undefined, false],
  ["sidecar/model/peer.ts", "../../policy/mod.ts", "policy/mod.ts", true],
  ["sidecar/attest/a.ts", "../audit/b.ts", "sidecar/audit/b.ts", false],
  ["sidecar/attest/a.ts", "koffi", undefined, false],
  ["sidecar/platform/linux/a.ts", "koffi", undefined, true],
  ["sidecar/gate/a.ts", "../sidecar.ts", "sidecar/sidecar.ts", false],
  ["wrappers/commands/run.ts", "../../sidecar/mod.ts", "sidecar/mod.ts", true],
  // The composition root by itself, so that a run loads nothing that only other commands need.
  ["wrappers/commands/run.ts", "../../sidecar/sidecar.ts", "sidecar/sidecar.ts", true],
  ["wrappers/commands/run.ts", "../../sidecar/gate/session.ts", "sidecar/gate/session.ts", false],
  ["examples/demo.ts", "../sidecar/sidecar.ts", "sidecar/sidecar.ts", false],
  ["wrappers/main.ts", "../test/harness.ts", "test/harness.ts", false],
  ["elsewhere/a.ts", "node:fs", undefined, false],
  ["sidecar/a-new-folder/a.ts", "node:fs", undefined, false],
  ["sidecar/sidecar.ts", "./a-new-folder/a.ts", "sidecar/a-new-folder/a.ts", false],
];
for (const [file, specifier, target, allowed] of verdicts) {
  layers(`${file} ${allowed ? "may" : "may not"} import ${specifier}`, () => {
    assert.is(mayImport(file, specifier, target), allowed);
  });
}
layers.run();
