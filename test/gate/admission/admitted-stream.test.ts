import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  AdmittedStream,
  type PeerLoss,
  type StreamTerms,
} from "../../../sidecar/gate/admission/admitted-stream.ts";
import type { Sender } from "../../../sidecar/platform/platform.ts";
import { FakeAttestation, PEER } from "../../fakes/attestation.ts";
import { FakePeerStream } from "../../fakes/peer-stream.ts";

const HELPER = { ...PEER, pid: 9999 };
const UNNAMED = { pid: 0, uid: 65534, gid: 65534 };

function open(terms: Partial<StreamTerms> = {}) {
  const raw = new FakePeerStream();
  const attestation = new FakeAttestation();
  const stream = new AdmittedStream(raw, attestation, {
    from: PEER,
    sender: "every",
    early: 0,
    proof: "required",
    image: true,
    ...terms,
  });
  const read: [text: string, fresh: boolean][] = [];
  const losses: PeerLoss[] = [];
  let ends = 0;
  stream.start({
    data: (chunk, fresh) => void read.push([chunk.toString(), fresh]),
    end: () => void ends++,
    error: () => {},
    drain: () => {},
    lost: (loss) => void losses.push(loss),
  });
  return { raw, attestation, stream, read, losses, ends: () => ends };
}

const it = suite("AdmittedStream");

it("hands on what the peer itself sent", () => {
  const { raw, stream, read, losses } = open();
  raw.say("one", PEER);
  raw.say("two", PEER);
  raw.finish();
  assert.equal(read, [["one", true], ["two", true]]);
  assert.equal(losses, []);
  stream.destroy();
});

const strangers: readonly [name: string, sender: Sender, detail: string][] = [
  ["another process of the same account", HELPER, "pid-9999"],
  ["nobody that the kernel can name", UNNAMED, "pid-0"],
  ["nobody at all", undefined, "nobody"],
  ["the same number under another uid", { ...PEER, uid: 0 }, "pid-4321"],
];
for (const [name, sender, detail] of strangers) {
  it(`ends at the first read from ${name}, and lets nothing of it through`, () => {
    const { raw, stream, read, losses } = open();
    raw.say("mine", PEER);
    raw.say("theirs", sender);
    raw.say("mine again", PEER);
    raw.finish();
    assert.equal(read, [["mine", true]]);
    assert.equal(losses, [{ code: "ERR_SENDER_OTHER", detail }]);
    assert.ok(raw.destroyed);
    assert.ok(stream.write(Buffer.from("secret")), "told nothing, and held up by nothing");
    assert.equal(raw.written, []);
  });
}

it("calls stale what was sent before the measurement, to the byte", () => {
  const { raw, stream, read } = open({ early: 5 });
  raw.say("abc", PEER);
  raw.say("defgh", PEER);
  raw.say("i", PEER);
  assert.equal(read, [["abc", false], ["de", false], ["fgh", true], ["i", true]]);
  stream.destroy();
});

it("takes what nobody is named for as long as it is stale, and no longer", () => {
  const { raw, read, losses } = open({ early: 3 });
  raw.say("old", UNNAMED);
  raw.say("new", UNNAMED);
  assert.equal(read, [["old", false]]);
  assert.is(losses[0]?.code, "ERR_SENDER_OTHER");
});

it("without proof takes early bytes for the peer's, and yet none of somebody else who is named", () => {
  const { raw, read, losses } = open({ early: 9, proof: "not-required" });
  raw.say("old", UNNAMED);
  raw.say("mine", PEER);
  raw.say("x", HELPER);
  assert.equal(read, [["old", true], ["mine", true]]);
  assert.equal(losses, [{ code: "ERR_SENDER_OTHER", detail: "pid-9999" }]);
});

it("ends when the peer runs another image: an exec keeps pid, pidfd and start time", () => {
  const { raw, attestation, read, losses } = open();
  raw.say("before", PEER);
  attestation.same = false;
  raw.say("after", PEER);
  assert.equal(read, [["before", true]]);
  assert.equal(losses, [{ code: "ERR_PEER_GONE", detail: "exe-changed" }]);
});

it("lets an account run what it likes, as long as it lives", () => {
  const { raw, attestation, read, losses } = open({ image: false });
  attestation.same = false;
  raw.say("another program", PEER);
  assert.equal(read, [["another program", true]]);
  attestation.alive = false;
  raw.say("under a number that was given away", PEER);
  assert.equal(losses, [{ code: "ERR_PEER_GONE", detail: "ended" }]);
});

it("tells nothing to whoever holds the socket of a peer that ended", () => {
  const { raw, stream, attestation, losses } = open();
  stream.write(Buffer.from("for the peer"));
  attestation.alive = false;
  stream.write(Buffer.from("for the heir"));
  assert.equal(raw.written, ["for the peer"]);
  assert.equal(losses, [{ code: "ERR_PEER_GONE", detail: "ended" }]);
});

it("with 'sender: first' asks once", () => {
  const { raw, stream, read } = open({ sender: "first", image: false });
  raw.say("mine", PEER);
  raw.say("helper's", HELPER);
  assert.is(read.length, 2);
  stream.destroy();
  const other = open({ sender: "first", image: false });
  other.raw.say("helper's", HELPER);
  assert.equal(other.read, []);
});

it("any reads in any order: not a byte of another sender, and none of the first bytes called fresh", () => {
  const read = fc.record({
    text: fc.string({ minLength: 1, maxLength: 6, unit: "grapheme-ascii" }),
    own: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(read), fc.nat({ max: 20 }), (reads, early) => {
      const { raw, stream, read: got } = open({ early });
      let honest = "";
      for (const { text, own } of reads) {
        raw.say(text, own ? PEER : HELPER);
        if (!own) break;
        honest += text;
      }
      stream.destroy();
      assert.is(got.map(([text]) => text).join(""), Buffer.from(honest).toString());
      const fresh = got.filter(([, is]) => is).reduce((sum, [text]) => sum + Buffer.byteLength(text), 0);
      assert.is(fresh, Math.max(0, Buffer.byteLength(honest) - early));
    }),
    { numRuns: 200 },
  );
});

it.run();
