/** Whatever several peers and a server do to each other: nobody hears what is another's, and bytes stay what they were. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { splice } from "../../../sidecar/gate/shared/splice.ts";
import { limited } from "../../harness.ts";
import { type Actor, openStage, type Stage } from "./stage.ts";

/** Spellings of ids and tokens that are equal, alike, or differ in type only. */
const SPELLINGS = ["0", "1", '"1"', '"\\u0031"', '"0"', "-1", "9007199254740991", '"a\\"b"', '"é"', '""'];
/** JSON-RPC 2.0 and MCP take fractions for tokens, not for ids. */
const TOKENS = [...SPELLINGS, "1.0", "1e0", "-0"];
const BLANKS = ["", " ", "\t", "  "];

interface Asked {
  readonly actor: Actor;
  readonly id: string;
  readonly token: string | undefined;
  /** Only in this request and in what comes of it. */
  readonly secret: string;
  /** The number it has at the server. */
  number: number;
  open: boolean;
}

/** Plays a run and checks every line on both sides of it. */
class Play {
  readonly stage: Stage = openStage();
  readonly actors: Actor[] = [];
  readonly asked: Asked[] = [];
  /** Lines that an actor must have heard, in order. */
  readonly due = new Map<Actor, string[]>();
  readonly numbers = new Set<number>();
  #secrets = 0;

  constructor() {
    for (let i = 0; i < 3; i++) this.join();
  }

  join(): void {
    const actor = this.stage.join();
    this.actors.push(actor);
    this.due.set(actor, []);
  }

  ask(who: number, id: string, token: string | undefined, blank: string): void {
    const actor = this.#actor(who);
    if (this.asked.some((it) => it.open && it.actor === actor && sameId(it.id, id))) return;
    const secret = `secret-${++this.#secrets}`;
    const asked: Asked = { actor, id, token, secret, number: 0, open: true };
    const line = (itsId: string, itsToken: string | undefined) =>
      `{${blank}"params":{"name":"t",${blank}"arguments":{"id":0,"progressToken":1,"s":"${secret}"}${
        itsToken === undefined ? "" : `,"_meta":{"a":1,"progressToken"${blank}:${itsToken}}`
      }},"method":"tools/call",${blank}"id":${blank}${itsId}${blank},"jsonrpc":"2.0"}`;
    actor.says(line(id, token));
    const [heard] = this.stage.server.heard();
    asked.number = JSON.parse(heard!).id as number;
    const text = String(asked.number);
    assert.is(heard, line(text, token === undefined ? undefined : text), "only id and token change");
    assert.not(this.numbers.has(asked.number), "no number twice");
    this.numbers.add(asked.number);
    this.asked.push(asked);
  }

  answer(which: number, isError: boolean): void {
    const asked = this.#pick(which);
    if (asked === undefined) return;
    const line = (id: string) =>
      isError
        ? `{"error":{"code":-1,"message":"${asked.secret}","data":{"id":0}},"jsonrpc":"2.0","id":${id}}`
        : `{"jsonrpc":"2.0","id": ${id} ,"result":{"id":7,"content":[{"text":"${asked.secret}"}]}}`;
    this.stage.says(line(String(asked.number)));
    if (!asked.open) return;
    asked.open = false;
    this.due.get(asked.actor)!.push(line(asked.id));
  }

  progress(which: number): void {
    const asked = this.#pick(which);
    if (asked === undefined) return;
    const line = (token: string) =>
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"message":"${asked.secret}","progressToken": ${token}}}`;
    this.stage.says(line(String(asked.number)));
    if (asked.open && asked.token !== undefined) this.due.get(asked.actor)!.push(line(asked.token));
  }

  cancel(who: number, id: string): void {
    const actor = this.#actor(who);
    const line = (itsId: string) =>
      `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"r","requestId":${itsId}}}`;
    actor.says(line(id));
    const asked = this.asked.find((it) => it.open && it.actor === actor && sameId(it.id, id));
    assert.equal(this.stage.server.heard(), asked === undefined ? [] : [line(String(asked.number))]);
    if (asked !== undefined) asked.open = false;
  }

  leave(who: number): void {
    const actor = this.#actor(who);
    const open = this.asked.filter((it) => it.open && it.actor === actor);
    void actor.share.stop("peer-gone");
    const heard = this.stage.heard();
    for (const { method, id } of heard) if (method === "ping") this.numbers.add(id as number);
    const cancelled = heard.flatMap(({ method, params }) =>
      method === "notifications/cancelled" ? [(params as { requestId: number }).requestId] : []
    );
    assert.equal(cancelled.sort(byNumber), open.map((it) => it.number).sort(byNumber));
    for (const asked of open) asked.open = false;
    this.actors.splice(this.actors.indexOf(actor), 1);
    this.join();
  }

  async check(): Promise<void> {
    for (const [actor, due] of this.due) assert.equal(await actor.heard(), due);
  }

  #actor(who: number): Actor {
    return this.actors[who % this.actors.length]!;
  }

  #pick(which: number): Asked | undefined {
    return this.asked[which % Math.max(1, this.asked.length)];
  }
}

const byNumber = (a: number, b: number) => a - b;
/** As JSON says it: `"1"` and `"\u0031"` are one id, `1` is another. */
const sameId = (one: string, other: string) => JSON.parse(one) === JSON.parse(other);

const who = fc.nat(2);
const which = fc.nat(30);
const id = fc.constantFrom(...SPELLINGS);
const act: fc.Arbitrary<(play: Play) => void> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(
      who,
      id,
      fc.option(fc.constantFrom(...TOKENS), { nil: undefined }),
      fc.constantFrom(...BLANKS),
    )
      .map(([actor, itsId, token, blank]) => (play: Play) => play.ask(actor, itsId, token, blank)),
  },
  { weight: 4, arbitrary: fc.tuple(which, fc.boolean()).map(([n, e]) => (play: Play) => play.answer(n, e)) },
  { weight: 3, arbitrary: which.map((n) => (play: Play) => play.progress(n)) },
  {
    weight: 2,
    arbitrary: fc.tuple(who, id).map(([actor, itsId]) => (play: Play) => play.cancel(actor, itsId)),
  },
  { weight: 1, arbitrary: who.map((actor) => (play: Play) => play.leave(actor)) },
);

const it = suite("remapping");

it(
  "each peer hears exactly what is its own, under its own ids and tokens, byte for byte",
  limited(60_000, () =>
    fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 60 }), async (acts) => {
        const play = new Play();
        for (const one of acts) one(play);
        await play.check();
      }),
      { numRuns: 300 },
    )),
);

it(
  "it is the same however the server's output is cut into reads",
  limited(60_000, () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), async (cuts) => {
        const stage = openStage();
        const actors = [stage.join(), stage.join()];
        for (const actor of actors) actor.says('{"jsonrpc":"2.0","id":1,"method":"ping"}');
        const numbers = stage.heard().map((message) => message["id"]);
        const text = numbers.map((n, i) => `{"jsonrpc":"2.0","id":${String(n)},"result":{"é":"${i}"}}\r\n`)
          .join("");
        const bytes = Buffer.from(text);
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const cut = cuts[i % cuts.length]!;
          stage.server.utter(bytes.subarray(at, at + cut));
          at += cut;
        }
        for (const [i, actor] of actors.entries()) {
          assert.equal(await actor.heard(), [`{"jsonrpc":"2.0","id":1,"result":{"é":"${i}"}}\r`]);
        }
      }),
      { numRuns: 200 },
    )),
);

it("a line that began before the question cannot answer it", async () => {
  const stage = openStage();
  const actor = stage.join();
  stage.server.utter('{"jsonrpc":"2.0","id":1,"result"');
  actor.says('{"jsonrpc":"2.0","id":5,"method":"ping"}');
  assert.is(stage.heard()[0]?.["id"], 1);
  stage.server.utter(':{"forged":true}}\n');
  assert.equal(await actor.heard(), []);
  assert.equal(stage.noise, ["late-answer"]);
  stage.says('{"jsonrpc":"2.0","id":1,"result":{}}');
  assert.equal(await actor.heard(), ['{"jsonrpc":"2.0","id":5,"result":{}}']);
});

it("splice changes its ranges and nothing else", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(fc.tuple(fc.nat(60), fc.nat(9), fc.string())),
      (raw, cuts) => {
        const bytes = Buffer.from(raw);
        let free = 0;
        let expected = Buffer.alloc(0);
        const splices = [...cuts].sort((a, b) => a[0] - b[0]).flatMap(([at, length, said]) => {
          const end = Math.min(at + length, bytes.length);
          if (at < free || end < at) return [];
          const text = Buffer.from(said);
          expected = Buffer.concat([expected, bytes.subarray(free, at), text]);
          free = end === at ? end + 1 : end;
          if (end === at) {
            expected = Buffer.concat([expected, bytes.subarray(at, Math.min(free, bytes.length))]);
          }
          return [{ start: at, end, text }];
        });
        expected = Buffer.concat([expected, bytes.subarray(Math.min(free, bytes.length))]);
        assert.equal(splice(bytes, 0, bytes.length, splices.reverse()), expected);
      },
    ),
  );
});

it.run();
