import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Admission, Clients } from "../../../policy/clients.ts";
import { type AdmissionRequest, admitPeer } from "../../../sidecar/gate/admission/admit.ts";
import { absent, known, type PeerEvidence } from "../../../sidecar/model/evidence.ts";
import { EVIDENCE, FakeAttestation, PEER, PROCESS } from "../../fakes/attestation.ts";
import { FakePeerStream } from "../../fakes/peer-stream.ts";

const AGENT: Admission = {
  admitted: true,
  client: "agent",
  grade: "measured",
  account: false,
  proof: "required",
  sender: "every",
};

function clients(outcome: Admission | Error, mayAdmit = true): Clients {
  return {
    names: ["agent"],
    wants: new Set(["executable"]),
    trustNames: [],
    mayAdmit: () => mayAdmit,
    admit() {
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
  };
}

function request(more: Partial<AdmissionRequest> = {}) {
  const stream = new FakePeerStream();
  const attestation = new FakeAttestation();
  const whole = {
    stream,
    attestation,
    clients: undefined,
    world: { trusted: () => [], via: "direct" as const },
    uid: PEER.uid,
    trustDomain: "example.org",
    ...more,
  };
  return { request: whole, stream, attestation };
}

const refusal = async (it: AdmissionRequest) => {
  const outcome = await admitPeer(it);
  return outcome.admitted ? "admitted" : [outcome.code, ...outcome.reasons];
};

const without = suite("admitPeer() without clients");

without("our own uid is let in, as an account, and nothing is hashed", async () => {
  const { request: it, attestation } = request();
  const outcome = await admitPeer(it);
  assert.ok(outcome.admitted);
  assert.is(outcome.grade, "kernel");
  assert.is(outcome.client, undefined);
  assert.is(outcome.identity.principal.id, `spiffe://example.org/uid-1000/uid-1000`);
  assert.is(attestation.gathered, 0);
  outcome.stream.destroy();
});

const evidenceWith = (more: Partial<PeerEvidence>) => new FakeAttestation({ ...EVIDENCE, ...more });
const unseen = { transport: "stdio-pipe", credentials: absent("not-a-socket:pipe") } as const;

const cases: readonly [name: string, attestation: FakeAttestation, expected: unknown][] = [
  [
    "another uid",
    evidenceWith({ credentials: known({ ...PEER, uid: 1001 }, "kernel") }),
    ["ERR_PEER_REFUSED", "uid-1001"],
  ],
  [
    "root, when we are not",
    evidenceWith({ credentials: known({ ...PEER, uid: 0 }, "kernel") }),
    ["ERR_PEER_REFUSED", "uid-0"],
  ],
  [
    "a uid without a number here",
    evidenceWith({ credentials: absent("peercred:uid-unmapped"), process: absent("peercred:uid-unmapped") }),
    ["ERR_PEER_UNIDENTIFIED", "peercred:uid-unmapped"],
  ],
  [
    "two directions of two makers",
    evidenceWith({ credentials: absent("stdio-peers-differ"), process: absent("stdio-peers-differ") }),
    ["ERR_PEER_UNIDENTIFIED", "stdio-peers-differ"],
  ],
  [
    "a parent between two identities",
    evidenceWith({ ...unseen, process: { ...PROCESS, uid: absent("uid-mixed") } }),
    ["ERR_PEER_UNIDENTIFIED", "uid-mixed"],
  ],
  [
    "the maker of our standard input, when it ended",
    evidenceWith({ transport: "stdio-socket", process: absent("peer-gone") }),
    ["ERR_PEER_GONE", "peer-gone"],
  ],
  [
    "who started us, when that changed while we looked",
    evidenceWith({ ...unseen, process: absent("no-parent:broken") }),
    ["ERR_PEER_UNIDENTIFIED", "no-parent:broken"],
  ],
  [
    "who started us, when nobody can be seen",
    evidenceWith({ ...unseen, process: absent("no-parent:unreadable") }),
    "admitted",
  ],
];
for (const [name, attestation, expected] of cases) {
  without(`${name}: ${String(expected)}`, async () => {
    assert.equal(await refusal(request({ attestation }).request), expected);
  });
}

const named = suite("admitPeer() with clients");

named("what an entry admits has its name and its grade", async () => {
  const { request: it } = request({ clients: clients(AGENT) });
  const outcome = await admitPeer(it);
  assert.ok(outcome.admitted);
  assert.equal([outcome.client, outcome.grade, outcome.proof], ["agent", "measured", "required"]);
  const { principal, evidence } = await outcome.complete();
  assert.is(principal.id, "spiffe://example.org/uid-1000/agent");
  assert.is(
    "absent" in evidence.process || !("grade" in evidence.process.executable.sha256)
      ? ""
      : evidence.process.executable.sha256.grade,
    "measured",
  );
  outcome.stream.destroy();
});

named("what nobody proved is recorded as less", async () => {
  for (const waived of [{ proof: "not-required" }, { sender: "first" }] as const) {
    const { request: it } = request({ clients: clients({ ...AGENT, ...waived }) });
    const outcome = await admitPeer(it);
    assert.ok(outcome.admitted);
    const { evidence } = await outcome.complete();
    assert.ok(!("absent" in evidence.process));
    assert.is((evidence.process.executable.sha256 as { grade: string }).grade, "heuristic");
    outcome.stream.destroy();
  }
});

named("an account that no entry could admit is not measured", async () => {
  const { request: it, attestation } = request({ clients: clients(AGENT, false) });
  assert.equal(await refusal(it), ["ERR_PEER_REFUSED", "uid-1000"]);
  assert.is(attestation.gathered, 0);
});

named("whom the policy does not know is refused, and every entry says why", async () => {
  const { request: it } = request({
    clients: clients({ admitted: false, reasons: [{ client: "agent", because: "another digest" }] }),
  });
  assert.equal(await refusal(it), ["ERR_PEER_REFUSED", "agent: another digest"]);
});

named("who changed while it was measured is refused, whatever the policy would say", async () => {
  const { request: it, attestation } = request({ clients: clients(AGENT) });
  attestation.changed = "exe-changed";
  assert.equal(await refusal(it), ["ERR_PEER_GONE", "exe-changed"]);
});

named("nobody is let in unseen", async () => {
  const attestation = evidenceWith({ ...unseen, process: absent("no-parent:unreadable") });
  const { request: it } = request({ clients: clients(AGENT), attestation });
  assert.equal(await refusal(it), ["ERR_PEER_UNIDENTIFIED", "no-parent:unreadable"]);
});

named("judging that throws is a refusal", async () => {
  const { request: it } = request({ clients: clients(new Error("a defect")) });
  assert.equal(await refusal(it), ["ERR_INTERNAL", "judging-failed"]);
});

named("what waited in the kernel is stale, all of it where the kernel cannot count", async () => {
  const texts = async (queued: number | undefined) => {
    const { request: it, stream } = request({ clients: clients(AGENT) });
    stream.queued = queued;
    const outcome = await admitPeer(it);
    assert.ok(outcome.admitted);
    const seen: boolean[] = [];
    const nothing = () => {};
    outcome.stream.start({
      data: (_, fresh) => void seen.push(fresh),
      end: nothing,
      error: nothing,
      drain: nothing,
      lost: nothing,
    });
    stream.say("four", PEER);
    stream.say("more", PEER);
    outcome.stream.destroy();
    return seen;
  };
  assert.equal(await texts(0), [true, true]);
  assert.equal(await texts(4), [false, true]);
  assert.equal(await texts(undefined), [false, false]);
});

named("no evidence without an account is ever let in", async () => {
  const reason = fc.constantFrom("peercred:no-pid", "uid-mixed", "no-parent:init", "peer-gone", "x");
  await fc.assert(fc.asyncProperty(reason, reason, async (one, two) => {
    const attestation = evidenceWith({ credentials: absent(one), process: absent(two) });
    const outcome = await admitPeer(request({ clients: clients(AGENT), attestation }).request);
    assert.not(outcome.admitted);
  }));
});

const later = suite("stillAdmitted()");
const ANYBODY: Admission = { ...AGENT, account: true };

for (
  const { name, before = AGENT, now, admitted, changed } of [
    { name: "the same", now: AGENT, admitted: true },
    { name: "another name", now: { ...AGENT, client: "other" }, admitted: false },
    { name: "nobody", now: { admitted: false, reasons: [] }, admitted: false },
    { name: "an entry that throws", now: new Error("no"), admitted: false },
    { name: "the same, of a process that changed", now: AGENT, changed: "exe-changed", admitted: false },
    {
      name: "a proof that was waived",
      before: { ...AGENT, proof: "not-required" },
      now: AGENT,
      admitted: false,
    },
    { name: "a proof that is waived now", now: { ...AGENT, proof: "not-required" }, admitted: true },
    {
      name: "all senders, where others could speak",
      before: { ...AGENT, sender: "first" },
      now: AGENT,
      admitted: false,
    },
    { name: "a program, where any of the account could be it", before: ANYBODY, now: AGENT, admitted: false },
    { name: "an account, where a program was asked for", now: ANYBODY, admitted: true },
    { name: "no clients at all", now: undefined, admitted: false },
  ] as readonly {
    readonly name: string;
    readonly before?: Admission;
    readonly now: Admission | Error | undefined;
    readonly admitted: boolean;
    readonly changed?: string;
  }[]
) {
  later(`${name}: ${admitted ? "stays" : "goes"}`, async () => {
    const { request: it, attestation } = request({ clients: clients(before) });
    const peer = await admitPeer(it);
    assert.ok(peer.admitted);
    attestation.changed = changed;
    assert.is(await peer.stillAdmitted(now === undefined ? undefined : clients(now), it.world), admitted);
    peer.stream.destroy();
  });
}

later("without clients our own uid stays, and only while there are none", async () => {
  const { request: it } = request();
  const peer = await admitPeer(it);
  assert.ok(peer.admitted);
  assert.ok(await peer.stillAdmitted(undefined, it.world));
  assert.not(await peer.stillAdmitted(clients(AGENT), it.world));
  peer.stream.destroy();
});

without.run();
named.run();
later.run();
