/** A peer of a shared server that does not read: what waits is bounded, and nobody else waits. */
import { Buffer } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { opened, openStage, request, type Stage } from "./stage.ts";

const MIB = 1024 * 1024;
const call = (id: number) => request(id, "tools/call", { name: "t", arguments: {} });

/** Answers what the server was asked, each with so much. */
function answer(stage: Stage, bytes: number): void {
  for (const { id } of stage.heard()) {
    stage.server.utter(
      Buffer.from(`{"jsonrpc":"2.0","id":${String(id)},"result":{"x":"${"x".repeat(bytes)}"}}\n`),
    );
  }
}

const it = suite("a slow peer");

it("is not asked for more while a mebibyte waits for it, and goes on when it reads", async () => {
  const stage = openStage();
  const [slow, other] = [await opened(stage), await opened(stage)];
  slow.share.output.pause();
  assert.is(slow.says(call(1)), true);
  answer(stage, 2 * MIB);
  assert.is(slow.says(call(2)), false);
  assert.is(other.says(call(1)), true);
  answer(stage, 10);
  assert.is((await other.heard()).length, 1);
  assert.equal(await slow.heard(), []);
  slow.share.output.resume();
  assert.is((await slow.heard()).length, 2);
  assert.is(slow.says(call(3)), true);
});

it("that leaves eight mebibytes unread is given up, and only that one", async () => {
  const stage = openStage();
  const [slow, other] = [await opened(stage), await opened(stage)];
  slow.share.output.pause();
  for (let i = 0; i < 12; i++) slow.says(call(i));
  answer(stage, MIB);
  await slow.heard();
  assert.equal(slow.exit, { code: undefined, signal: undefined, cause: "peer-slow", lives: true });
  other.says(call(1));
  answer(stage, 10);
  assert.is((await other.heard()).length, 1);
  assert.is(other.exit, undefined);
});

it("may be sent one message that is longer than that", async () => {
  const stage = openStage();
  const slow = await opened(stage);
  slow.share.output.pause();
  slow.says(call(1));
  answer(stage, 20 * MIB);
  await slow.heard();
  assert.is(slow.exit, undefined);
  slow.share.output.resume();
  assert.is((await slow.heard())[0]!.length > 20 * MIB, true);
});

it("is not the only one: what waits for all of them together is bounded too", async () => {
  const stage = openStage();
  const many = [];
  for (let i = 0; i < 24; i++) many.push(await opened(stage));
  for (const [i, actor] of many.entries()) {
    actor.share.output.pause();
    actor.says(call(1));
    answer(stage, 6 * MIB + i);
  }
  await many[0]!.heard();
  const waiting = many.reduce(
    (sum, actor) => sum + (actor.exit === undefined ? actor.share.output.queued : 0),
    0,
  );
  assert.ok(waiting <= 128 * MIB, `${waiting} bytes`);
  assert.ok(many.filter((actor) => actor.exit === undefined).length >= 20);
});

it("a server that does not read pauses everybody, and all go on when it does", async () => {
  const stage = openStage();
  const [one, two] = [await opened(stage), await opened(stage)];
  stage.server.input.takes = false;
  assert.is(one.says(call(1)), false);
  assert.is(two.says(call(1)), false);
  stage.server.input.takes = true;
  stage.server.input.events?.drain();
  assert.is(one.says(call(2)), true);
  assert.is(two.says(call(2)), true);
});

it.run();
