import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BootstrapSecret } from "../../sidecar/tokens/bootstrap-secret.ts";

interface Made {
  readonly secret: BootstrapSecret;
  readonly text: string;
  removed(): number;
  wait(ms: number): void;
}

function make(): Made {
  let text = "";
  let removed = 0;
  let now = 0;
  const secret = new BootstrapSecret((made) => {
    text = made;
    return { remove: () => void removed++ };
  }, () => now);
  return { secret, text, removed: () => removed, wait: (ms) => void (now += ms) };
}

const A = { sid: "a", process: "1" };
const B = { sid: "b", process: "2" };

const bootstrap = suite("BootstrapSecret");
bootstrap("it is 32 random bytes in base64url, another one each time", () => {
  const texts = new Set(Array.from({ length: 50 }, () => make().text));
  assert.is(texts.size, 50);
  for (const text of texts) assert.match(text, /^[A-Za-z0-9_-]{43}$/);
});

bootstrap("shown once it earns the session, and is taken away", () => {
  const { secret, text, removed } = make();
  assert.is(removed(), 0);
  assert.equal(secret.show(text, A), { outcome: "earned" });
  assert.is(removed(), 1);
});

bootstrap("shown again in another session it names the session that it earned", () => {
  const { secret, text, removed } = make();
  secret.show(text, A);
  assert.equal(secret.show(text, B), { outcome: "stolen", earnedBy: "a" });
  assert.equal(secret.show(text, B), { outcome: "stolen", earnedBy: "a" });
  assert.equal(secret.show(text, { sid: "c", process: "1" }), { outcome: "stolen", earnedBy: "a" });
  assert.equal(secret.show(text, A), { outcome: "again" });
  assert.is(removed(), 1);
});

bootstrap("a wrong guess burns nothing", () => {
  const { secret, text, removed } = make();
  assert.equal(secret.show("wrong", B), { outcome: "wrong" });
  assert.is(removed(), 0);
  assert.equal(secret.show(text, A), { outcome: "earned" });
});

bootstrap("guessing does not reveal that it was burned", () => {
  const { secret, text } = make();
  secret.show(text, A);
  assert.equal(secret.show("wrong", B), { outcome: "wrong" });
});

const alike: readonly [string, (text: string) => string][] = [
  ["nothing", () => ""],
  ["a newline behind it", (text) => `${text}\n`],
  ["a blank before it", (text) => ` ${text}`],
  ["padding", (text) => `${text}=`],
  ["its beginning", (text) => text.slice(0, -1)],
  ["twice", (text) => text + text],
  ["another case", (text) => text === text.toUpperCase() ? text.toLowerCase() : text.toUpperCase()],
  ["a NUL behind it", (text) => `${text}\0`],
  ["megabytes", (text) => text.repeat(50_000)],
  ["half a surrogate pair", (text) => `${text}\ud800`],
];
for (const [name, change] of alike) {
  bootstrap(`nasty: ${name} is wrong`, () => {
    const { secret, text } = make();
    assert.equal(secret.show(change(text), A), { outcome: "wrong" });
  });
}

bootstrap("nothing but itself is right", () => {
  const { secret, text, wait } = make();
  fc.assert(fc.property(fc.string({ maxLength: 60 }), fc.nat(), (guess, process) => {
    fc.pre(guess !== text);
    wait(2000);
    assert.is(secret.show(guess, { sid: "x", process: String(process) }).outcome === "earned", false);
  }));
  wait(60_000);
  assert.equal(secret.show(text, A), { outcome: "earned" });
});

bootstrap("a process that guessed five times is no longer compared, and keeps nobody else out", () => {
  const { secret, text } = make();
  for (let i = 0; i < 5; i++) assert.equal(secret.show(`${i}`, B), { outcome: "wrong" });
  assert.equal(secret.show(text, B), { outcome: "limited" });
  assert.equal(secret.show(text, { sid: "c", process: "2" }), { outcome: "limited" });
  assert.equal(secret.show(text, A), { outcome: "earned" });
});

bootstrap("many processes together are slowed down to one guess a second", () => {
  const { secret, text, wait } = make();
  for (let i = 0; i < 60; i++) {
    assert.equal(secret.show("x", { sid: "b", process: `p${i}` }), { outcome: "wrong" });
  }
  assert.equal(secret.show(text, A), { outcome: "limited" });
  wait(1000);
  assert.equal(secret.show(text, A), { outcome: "earned" });
});

bootstrap("of any number that race for it, exactly one wins", async () => {
  const { secret, text } = make();
  const all = await Promise.all(Array.from({ length: 20 }, async (_, i) => {
    await Promise.resolve();
    return secret.show(text, { sid: `s${i}`, process: `p${i}` }).outcome;
  }));
  assert.is(all.filter((outcome) => outcome === "earned").length, 1);
  assert.is(all.filter((outcome) => outcome === "stolen").length, 19);
});

bootstrap("a guard that ends takes it away, once", () => {
  const { secret, removed } = make();
  secret.close();
  secret.close();
  assert.is(removed(), 1);
});
bootstrap.run();
