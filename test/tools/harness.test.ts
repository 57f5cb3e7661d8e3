/* oxlint-disable typescript/prefer-promise-reject-errors -- what rejects() is for */
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limited, rejects, throws, waitUntil, withTempDir } from "../harness.ts";

const coded = (code: string, message = "Cannot do it") => Object.assign(new Error(message), { code });
const failure = async (promise: Promise<unknown>): Promise<Error> => {
  const outcome = await promise.then(() => undefined, (error: unknown) => error);
  if (!(outcome instanceof Error)) {
    throw new Error(`It did not fail with an Error: ${String(outcome)}`);
  }
  return outcome;
};

const rejecting = suite("rejects()");
rejecting("the expected code passes and the error is returned", async () => {
  const error = await rejects(Promise.reject(coded("ERR_A")), { code: "ERR_A", message: /Cannot/ });
  assert.is(error.message, "Cannot do it");
  assert.is((await rejects(() => Promise.reject(coded("ERR_B")), { code: "ERR_B" })).code, "ERR_B");
});
const disappointing: readonly [string, () => Promise<unknown>, RegExp][] = [
  ["a promise that resolves fails", () => Promise.resolve(7), /resolved to 7/],
  ["another code fails", () => Promise.reject(coded("ERR_B")), /it is ERR_B/],
  ["no code fails", () => Promise.reject(new Error("x")), /it is undefined/],
  ["another message fails", () => Promise.reject(coded("ERR_A", "y")), /it is 'y'/],
  ["something that is no Error fails", () => Promise.reject("ERR_A"), /Expected an Error/],
];
for (const [title, promise, message] of disappointing) {
  rejecting(title, async () => {
    const error = await failure(rejects(promise, { code: "ERR_A", message: /Cannot/ }));
    assert.match(error.message, message);
  });
}
rejecting(
  "throws() is the same for a function that throws at once",
  async () => {
    const call = () => {
      throw coded("ERR_A");
    };
    assert.is(throws(call, { code: "ERR_A" }).code, "ERR_A");
    assert.throws(() => throws(() => 7, { code: "ERR_A" }), /returned 7/);
    assert.throws(() => throws(call, { code: "ERR_B" }), /it is ERR_A/);
  },
);
rejecting.run();

const limiting = suite("limited()");
limiting(
  "a body within its limit passes, and its signal is aborted afterwards",
  async () => {
    let seen: AbortSignal | undefined;
    await limited(1_000, (signal) => void (seen = signal))();
    assert.is(seen?.aborted, true);
  },
);
limiting(
  "a body that takes longer fails, and is told by its signal",
  async () => {
    let told = false;
    const body = limited(20, (signal) => {
      signal.addEventListener("abort", () => void (told = true));
      return delay(5_000, undefined, { signal });
    });
    assert.match((await failure(body())).message, /Not done within 20 ms/);
    assert.ok(told);
  },
);
limiting("what a body throws is what the test fails with", async () => {
  assert.is((await failure(limited(1_000, () => Promise.reject(new Error("mine")))())).message, "mine");
});
limiting.run();

const waiting = suite("waitUntil()");
waiting("returns once the predicate is true", async () => {
  let calls = 0;
  await waitUntil(() => ++calls === 3);
  assert.is(calls, 3);
});
waiting("fails when it never is", async () => {
  assert.match((await failure(waitUntil(() => Promise.resolve(false), 30))).message, /Not true within 30 ms/);
});
waiting.run();

const lending = suite("withTempDir()");
lending(
  "the folder is private, and gone afterwards also when the test fails",
  async () => {
    let folder = "";
    const error = await failure(withTempDir((it) => {
      folder = it;
      assert.is(statSync(it).mode & 0o777, 0o700);
      writeFileSync(join(it, "file"), "");
      throw new Error("mine");
    }));
    assert.is(error.message, "mine");
    assert.not(existsSync(folder));
  },
);
lending.run();
