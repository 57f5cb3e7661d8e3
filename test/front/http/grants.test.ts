import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Grant, GrantHolder } from "../../../sidecar/front/http/tokens/grant.ts";
import { Grants } from "../../../sidecar/front/http/tokens/grants.ts";

function holder(key: string, current = () => true): GrantHolder & { released: number } {
  // Nothing here asks who it is.
  const identity = undefined as unknown as GrantHolder["identity"];
  const it = { key, identity, isCurrent: current, released: 0, release: () => void it.released++ };
  return it;
}

function open(maxAgeMs = 60_000) {
  const ended: string[] = [];
  const grants = new Grants({
    maxAgeMs: () => maxAgeMs,
    began: () => {},
    ended: ({ id }) => void ended.push(id),
  });
  const add = (key: string, earned = false): Grant => {
    const grant = grants.forBearer(holder(key));
    grant.earned = earned;
    grant.extend(60_000);
    grants.keep(grant);
    return grant;
  };
  return { grants, ended, add };
}

const run = suite("Grants");

run("a peer that has too many loses its oldest, and never one that the secret has earned", () => {
  const { grants, ended, add } = open();
  const earned = add("a", true);
  const own = Array.from({ length: 31 }, () => add("a"));
  const other = add("b");
  assert.ok(grants.hasRoom("a"));
  assert.equal(ended, [own[0]!.id]);
  assert.is(grants.find(own[0]!.id), undefined);
  assert.ok(earned.isCurrent() && other.isCurrent());
});

run("all together are bounded, and where everything is earned there is no room", () => {
  const { grants, ended, add } = open();
  const all = Array.from({ length: 256 }, (_, at) => add(`p${at}`, at !== 7));
  assert.ok(grants.hasRoom("new"));
  assert.equal(ended, [all[7]!.id]);
  add("new", true);
  assert.not(grants.hasRoom("another"));
  assert.is(ended.length, 1);
});

run("a bearer's counts as long as its last token, and no longer than its greatest age", () => {
  const { grants } = open(50);
  const grant = grants.forBearer(holder("a"));
  assert.not(grant.isCurrent(), "no token was made");
  assert.ok(grant.extend(60_000) <= 50);
  assert.ok(grant.isCurrent());
  const short = open().grants.forBearer(holder("a"));
  assert.is(short.extend(0), 0);
  assert.not(short.isCurrent());
});

run("the end is told once, lets go of the holder, and is for good", async () => {
  const { grants, ended } = open();
  let admitted = true;
  const who = holder("a", () => admitted);
  const grant = grants.forBearer(who);
  grant.extend(60_000);
  grants.keep(grant);
  grant.reconsider();
  assert.ok(grant.isCurrent());
  admitted = false;
  grant.reconsider();
  admitted = true;
  grant.end();
  await grant.ended;
  assert.not(grant.isCurrent());
  assert.equal([ended.length, who.released], [1, 1]);
});
run.run();
