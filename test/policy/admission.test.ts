/** Each file in `admission/` is a story: a policy's clients, peers, and who is admitted as whom or why not. */
import { readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import type { Admission, AdmissionWorld, TrustedDigest } from "../../policy/mod.ts";
import { digest, peer, type ToldPeer } from "./evidence.ts";
import { load } from "./support.ts";

interface Story {
  readonly story: string;
  /** The policy's clients. */
  readonly clients: string;
  /** Entries of the trust file: `@a`, or `@a tested`. */
  readonly trusted?: Readonly<Record<string, readonly string[]>>;
  readonly cases: readonly Case[];
}

interface Case {
  readonly name: string;
  readonly peer?: ToldPeer;
  readonly via?: "direct" | "shim";
  /** `expect` is the reason of this entry alone. */
  readonly refuses?: string;
  readonly expect: string;
}

const folder = new URL("./admission/", import.meta.url);
for (const file of readdirSync(folder).sort()) {
  const { story, clients, trusted = {}, cases } = parse(readFileSync(new URL(file, folder), "utf8")) as Story;
  const test = suite(`${file}: ${story}`);
  const lines = clients.replaceAll(/@[0-9a-f]\b/g, digest).replaceAll(/^/gm, "  ");
  const text = `version: 1\nname: test\nclients:\n${lines}`;
  for (const { name, peer: told, via = "direct", refuses, expect } of cases) {
    test(`${name} → ${expect}`, async () => {
      const policy = await load(text);
      const admission = policy.clients!.admit(peer(told), worldOf(trusted, via));
      assert.is(refuses === undefined ? say(admission) : reasonOf(admission, refuses), expect);
    });
  }
  test.run();
}

function worldOf(trusted: Story["trusted"], via: AdmissionWorld["via"]): AdmissionWorld {
  const read = (text: string): TrustedDigest => {
    const [sha256, tested] = text.split(" ");
    return { sha256: digest(sha256!), tested: tested === "tested" };
  };
  return { via, trusted: (name) => (Object.hasOwn(trusted!, name) ? trusted![name]! : []).map(read) };
}

function reasonOf(admission: Admission, client: string): string | undefined {
  if (admission.admitted) return say(admission);
  return admission.reasons.find((reason) => reason.client === client)?.because;
}

/** `agent at measured`, then what it need not do; or each entry's reason. */
function say(admission: Admission): string {
  if (!admission.admitted) {
    return admission.reasons.map(({ client, because }) => `${client}: ${because}`).join("; ");
  }
  const { client, grade, account, proof, sender } = admission;
  return [
    `${client} at ${grade}`,
    ...(account ? ["account"] : []),
    ...(proof === "required" ? [] : ["no proof"]),
    ...(sender === "every" ? [] : ["first sender"]),
  ].join(", ");
}
