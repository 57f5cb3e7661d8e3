import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Doubts } from "../../../sidecar/gate/shared/doubts.ts";
import type { Share } from "../../../sidecar/gate/shared/share.ts";

const it = suite("doubts");

it("are about everybody but who gave up a call, for half a minute", () => {
  let now = 0;
  const doubts = new Doubts(() => now);
  const [one, two] = [{}, {}] as [Share, Share];
  assert.not(doubts.about(one));
  doubts.note(one);
  assert.not(doubts.about(one));
  assert.ok(doubts.about(two));
  now = 20_000;
  doubts.note(two);
  now = 31_000;
  assert.not(doubts.about(two));
  assert.ok(doubts.about(one));
  doubts.note(two);
  now = 60_999;
  assert.ok(doubts.about(one));
  now = 61_000;
  assert.not(doubts.about(one));
});

it.run();
