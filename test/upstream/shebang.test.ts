import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FIRST_BYTES, parseShebang, programOfEnv } from "../../sidecar/upstream/command/shebang.ts";

const test = suite("parseShebang()");

const lines: { line: string; expect: [string, string | undefined] | undefined }[] = [
  { line: "#!/bin/sh\n", expect: ["/bin/sh", undefined] },
  { line: "#! \t/bin/sh  -e \t\nrest", expect: ["/bin/sh", "-e"] },
  { line: "#!/usr/bin/env -S node  --flag\n", expect: ["/usr/bin/env", "-S node  --flag"] },
  { line: "#!/bin/sh", expect: ["/bin/sh", undefined] },
  { line: "#!/opt/gr\u00fc\u00df\n", expect: ["/opt/gr\u00fc\u00df", undefined] },
  { line: "#!/usr/bin/env node\r\n", expect: ["/usr/bin/env", "node\r"] },
  { line: "#!\n", expect: undefined },
  { line: "#!   \t\n/bin/sh\n", expect: undefined },
  { line: "#!/bin/sh\0/evil\n", expect: undefined },
  { line: "#!" + "/long".repeat(60), expect: undefined },
  { line: "#!/bin/sh " + "a".repeat(300), expect: ["/bin/sh", "a".repeat(FIRST_BYTES - 10)] },
];
for (const { line, expect } of lines) {
  test(JSON.stringify(line.slice(0, 40)), () => {
    const head = Buffer.from(line).subarray(0, FIRST_BYTES);
    if (expect === undefined) {
      return assert.throws(() => parseShebang(head), (e: unknown) => e instanceof SyntaxError);
    }
    const { interpreter, argument } = parseShebang(head);
    assert.equal([interpreter, argument], expect);
  });
}

const programs: { argument: string | undefined; expect: string | undefined }[] = [
  { argument: "node", expect: "node" },
  { argument: "node --flag", expect: "node --flag" },
  { argument: "-S node --flag", expect: "node" },
  { argument: "-Snode", expect: "node" },
  { argument: "--split-string=deno run -A", expect: "deno" },
  { argument: "-S A=b C=d python3 -u", expect: "python3" },
  { argument: undefined, expect: undefined },
  { argument: "-i", expect: undefined },
  { argument: "-S -i node", expect: undefined },
  { argument: "-S PATH=/evil node", expect: undefined },
  { argument: '-S "node"', expect: undefined },
  { argument: "-S ${HOME}/node", expect: undefined },
  { argument: "-S no\\cde", expect: undefined },
  { argument: "-S", expect: undefined },
  { argument: "A=b", expect: undefined },
];
for (const { argument, expect } of programs) {
  test(`env ${argument ?? "alone"}`, () => {
    if (expect !== undefined) return assert.is(programOfEnv(argument), expect);
    assert.throws(() => programOfEnv(argument), (error: unknown) => error instanceof SyntaxError);
  });
}

test("whatever the bytes are, it names something without blanks and NUL, or refuses", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    const head = Buffer.concat([Buffer.from("#!"), bytes]);
    try {
      assert.match(parseShebang(head).interpreter, /^[^ \t\n\0]+$/);
    } catch (error) {
      assert.instance(error, SyntaxError);
    }
  }));
});

test.run();
