import { suite } from "uvu";
import * as assert from "uvu/assert";
import { turnAway } from "../../../sidecar/gate/admission/turn-away.ts";
import { limited } from "../../harness.ts";
import { FakePeerStream } from "../../fakes/peer-stream.ts";

const it = suite("turnAway()");
const peer = { pid: 1, uid: 1, gid: 1 };
const why = { code: "ERR_PEER_REFUSED", refusal: "abcd-efghijkl" } as const;

const cases: readonly [name: string, said: readonly string[], id: unknown][] = [
  ["answers the first request under its id", ['{"jsonrpc":"2.0","id":7,"method":"initialize"}\n'], 7],
  ["finds an id that comes in pieces", ['{"jsonrpc":"2.0","i', 'd":"a","method":"x"}\n'], "a"],
  ["looks at the first line only", ['{"method":"x"}\n{"id":1,"method":"y"}\n'], null],
  ["answers what is no message without an id", ["GET / HTTP/1.1\r\n"], null],
  ["does not keep a line without end", ["x".repeat(70_000)], null],
];
for (const [name, said, id] of cases) {
  it(
    name,
    limited(5000, async () => {
      const stream = new FakePeerStream();
      const done = turnAway(stream, why);
      for (const text of said) stream.say(text, peer);
      stream.say('{"jsonrpc":"2.0","id":99,"method":"tools/call"}\n', peer);
      await done;
      const [answer, ...more] = stream.written.map((line) => JSON.parse(line));
      assert.equal(more, []);
      assert.equal(answer, {
        jsonrpc: "2.0",
        id,
        error: { code: 1004, message: "Not admitted (mcp-guard abcd-efghijkl)" },
      });
      assert.ok(stream.ended && stream.destroyed);
    }),
  );
}

it(
  "waits for nobody who says nothing",
  limited(5000, async () => {
    const stream = new FakePeerStream();
    await turnAway(stream, why);
    assert.equal(stream.written, []);
    assert.ok(stream.destroyed);
  }),
);

it(
  "a peer that leaves, or that does not read, is left",
  limited(5000, async () => {
    const gone = new FakePeerStream();
    const left = turnAway(gone, why);
    gone.finish();
    await left;
    const deaf = new FakePeerStream();
    deaf.buffered = 100;
    const ignored = turnAway(deaf, why);
    deaf.say('{"id":1}\n', peer);
    await ignored;
    assert.ok(gone.destroyed && deaf.destroyed);
  }),
);

it.run();
