import { suite } from "uvu";
import * as assert from "uvu/assert";
import { accountId, findAccount } from "../../sidecar/platform/accounts.ts";

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

test.run();
