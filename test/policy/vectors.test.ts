/** Each file in `vectors/` is a story: a policy, requests, and what must be decided by which rules. */
import { readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { InexactNumber, type PolicyRequest, type RequestedThing } from "../../policy/mod.ts";
import { load, say, type World } from "./support.ts";

interface Story extends World {
  readonly story: string;
  readonly policy: string;
  readonly requests: readonly Vector[];
}

interface Vector {
  readonly name?: string;
  readonly tool?: string;
  readonly args?: Readonly<Record<string, unknown>>;
  /** Arguments as JSON text, for what YAML cannot hold. Numbers that are not exact are written `"inexact:1e400"`. */
  readonly json?: string;
  readonly resource?: string;
  readonly prompt?: string;
  readonly method?: string;
  readonly from_server?: "sampling" | "elicitation" | "roots";
  readonly client?: string;
  readonly expect: string;
}

const folder = new URL("./vectors/", import.meta.url);
for (const file of readdirSync(folder).sort()) {
  const { story, policy: text, requests, ...world } = parse(
    readFileSync(new URL(file, folder), "utf8"),
  ) as Story;
  const test = suite(`${file}: ${story}`);
  const titles = new Set<string>();
  for (const vector of requests) {
    const request = requestOf(vector);
    const title = `${vector.name ?? JSON.stringify(request)} → ${vector.expect}`;
    if (titles.has(title)) throw new Error(`${file} has '${title}' twice`);
    titles.add(title);
    test(title, async () => {
      const policy = await load(text, world);
      assert.is(say(policy.decide(request)), vector.expect);
      // Explaining must come to the same end as deciding.
      assert.equal(policy.explain(request).decision, policy.decide(request));
    });
  }
  test.run();
}

function requestOf(vector: Vector): PolicyRequest {
  return { ...thingOf(vector), ...(vector.client === undefined ? {} : { client: vector.client }) };
}

function thingOf(vector: Vector): RequestedThing {
  if (vector.resource !== undefined) return { kind: "resource", uri: vector.resource };
  if (vector.prompt !== undefined) return { kind: "prompt", name: vector.prompt };
  if (vector.method !== undefined) return { kind: "method", method: vector.method };
  if (vector.from_server !== undefined) return { kind: "from-server", feature: vector.from_server };
  if (vector.tool === undefined) throw new Error(`This vector asks for nothing: ${JSON.stringify(vector)}`);
  const args = vector.json === undefined ? vector.args : JSON.parse(vector.json, revive);
  return { kind: "tool", name: vector.tool, args };
}

function revive(_key: string, value: unknown): unknown {
  const literal = typeof value === "string" ? /^inexact:(.*)$/.exec(value)?.[1] : undefined;
  return literal === undefined ? value : new InexactNumber(literal);
}
