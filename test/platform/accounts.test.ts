import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { accountId, accountName, findAccount, findName } from "../../sidecar/platform/accounts.ts";

const test = suite("accountId()");

test("root is 0, as everywhere", () => {
  assert.is(accountId("user", "root"), 0);
  assert.is(accountId("group", "root"), 0);
});

test("who is not there is nobody, and never somebody in particular", () => {
  for (const name of ["no-such-user-here", "", "0", "root:x", "__proto__"]) {
    assert.is(accountId("user", name), undefined, name);
    assert.is(accountId("group", name), undefined, name);
  }
});

const file =
  "root:x:0:0::/root:/bin/sh\nme:x:1000:5\nme:x:1001\nhex:x:0x10\nempty:x:\nbare\n+nis\nminus:x:-1\nbig:x:99999999999";
const cases: readonly (readonly [string, number | undefined])[] = [
  ["root", 0],
  ["me", 1000],
  ["oot", undefined],
  ["m", undefined],
  ["hex", undefined],
  ["empty", undefined],
  ["bare", undefined],
  ["minus", undefined],
  ["big", undefined],
];
for (const [name, expected] of cases) {
  test(`'${name}' is ${expected}`, () => assert.is(findAccount(file, name), expected));
}

test("the name of a number is the first that has it, whole", () => {
  assert.is(accountName("user", 0), "root");
  const names: readonly (readonly [number, string | undefined])[] = [
    [0, "root"],
    [1000, "me"],
    [100, undefined],
    [1, undefined],
    [5, undefined],
  ];
  for (const [id, name] of names) assert.is(findName(file, id), name, String(id));
  assert.is(findName("a:x:7\n:x:8\nb:x:8:\nc\u2028d:x:9", 7), "a");
  assert.is(findName("a:x:7\n:x:8\nb:x:8:", 8), "b");
  assert.is(findName("c\u2028d:x:9\r:", 9), undefined);
});

test("the name of a number is what taking the file apart gives", () => {
  const line = fc.array(fc.constantFrom("", "a", "b", "x", "0", "1", "10", "\r", "\u2028"), { maxLength: 5 });
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom(0, 1, 10), (lines, id) => {
      const text = lines.map((fields) => fields.join(":")).join("\n");
      const entries = text.split("\n").map((it) => it.split(":"));
      const expected = entries.find(([name, , number]) => name !== "" && number === String(id))?.[0];
      assert.is(findName(text, id), expected);
    }),
  );
});

test.run();
