import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { scriptArgument } from "../../../sidecar/attest/facts/script-argument.ts";
import type { RuntimeKind } from "../../../sidecar/model/evidence.ts";

const it = suite("scriptArgument()");

const cases: readonly [kind: RuntimeKind, line: string, expected: string][] = [
  ["node", "node app.js", "app.js"],
  ["node", "node /a/app.js --require evil.js", "/a/app.js"],
  ["node", "node --no-warnings --max-old-space-size=4096 app.js", "app.js"],
  ["node", "node -- app.js", "app.js"],
  ["node", "node", "script-none"],
  ["node", "node -e code", "script-inline"],
  ["node", "node -pe code app.js", "script-inline"],
  ["node", "node --eval=code app.js", "script-inline"],
  ["node", "node - app.js", "script-inline"],
  ["node", "node --test app.js", "script-inline"],
  ["node", "node -r evil.js app.js", "script-not-alone"],
  ["node", "node -revil.js app.js", "script-not-alone"],
  ["node", "node --import evil.js app.js", "script-not-alone"],
  ["node", "node --import=evil.js app.js", "script-not-alone"],
  ["node", "node --experimental-loader=evil.js app.js", "script-not-alone"],
  ["node", "node --experimental_loader evil.js app.js", "script-not-alone"],
  ["node", "node --inspect app.js", "script-not-alone"],
  ["node", "node --env-file=.env app.js", "script-not-alone"],
  ["node", "node --title name app.js", "script-unclear"],
  ["bun", "bun app.ts", "app.ts"],
  ["bun", "bun run app.ts", "app.ts"],
  ["bun", "bun --preload evil.ts app.ts", "script-not-alone"],
  ["bun", "bun -e code", "script-inline"],
  ["bun", "bun --cwd /x app.ts", "script-unclear"],
  ["deno", "deno run -A main.ts", "main.ts"],
  ["deno", "deno run --allow-read=/x --no-prompt main.ts", "main.ts"],
  ["deno", "deno run -A https://example.com/main.ts", "script-remote"],
  ["deno", "deno run -A npm:cowsay", "script-remote"],
  ["deno", "deno run --import-map=evil.json main.ts", "script-not-alone"],
  ["python", "python3 client.py", "client.py"],
  ["python", "python3 -u -X dev -W error client.py", "client.py"],
  ["python", "python3 -c code", "script-inline"],
  ["python", "python3 -uc code", "script-inline"],
  ["python", "python3 -m http.server", "script-inline"],
  ["ruby", "ruby -w app.rb", "app.rb"],
  ["ruby", "ruby -revil app.rb", "script-not-alone"],
  ["perl", "perl -w app.pl", "app.pl"],
  ["perl", "perl -Mevil app.pl", "script-not-alone"],
  ["perl", "perl -ne code app.pl", "script-inline"],
  ["shell", "sh -eu run.sh", "run.sh"],
  ["shell", "bash -o pipefail run.sh", "run.sh"],
  ["shell", "bash -ec code", "script-inline"],
  ["shell", "bash --rcfile evil run.sh", "script-unclear"],
  ["native", "agent app.js", "no-interpreter"],
  ["java", "java -jar app.jar", "script-unclear"],
];
for (const [kind, line, expected] of cases) {
  it(`${line}: ${expected}`, () => {
    const found = scriptArgument(kind, line.split(" "));
    assert.is(typeof found === "string" ? found : found.script, expected);
  });
}

it("an empty word is no script", () => {
  assert.is(scriptArgument("node", ["node", ""]), "script-none");
  assert.is(scriptArgument("node", []), "script-none");
});

it("any words: never throws, and what it calls the script is one of them", () => {
  const kind = fc.constantFrom<RuntimeKind>("node", "bun", "deno", "python", "ruby", "perl", "shell");
  const word = fc.oneof(fc.string(), fc.constantFrom("-e", "--", "run", "-r", "x.js", "-X", "-o", "+o"));
  fc.assert(fc.property(kind, fc.array(word), (which, argv) => {
    const found = scriptArgument(which, argv);
    if (typeof found !== "string") assert.ok(argv.slice(1).includes(found.script));
  }));
});

it.run();
