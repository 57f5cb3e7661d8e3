/** The policies that people start from are sound: nothing to refuse, nothing to warn of. */
import { readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadPolicy } from "../../policy/mod.ts";
import { digest, peer } from "./evidence.ts";
import { makeContext } from "./support.ts";

const test = suite("examples/policies");
const folder = new URL("../../examples/policies/", import.meta.url);
const load = async (file: string) =>
  await loadPolicy(readFileSync(new URL(file, folder), "utf8"), file, makeContext());

for (const file of readdirSync(folder)) {
  test(`${file} has nothing to be said of`, async () => {
    const { policy, problems } = await load(file);
    assert.equal(problems, []);
    assert.ok(policy);
  });
}

test("clients.yaml admits whom it speaks of, once they are trusted", async () => {
  const { policy } = await load("clients.yaml");
  const trusted = (name: string) => name === "claude-code" ? [{ sha256: digest("@a"), tested: true }] : [];
  const admit = (evidence: Parameters<typeof peer>[0]) => {
    const admission = policy!.clients!.admit(peer(evidence), { via: "direct", trusted });
    return admission.admitted ? admission.client : undefined;
  };
  assert.is(admit({ runtime: "bun-compiled" }), "claude-code");
  assert.is(admit({ runtime: "bun-compiled", argv: ["claude", "mcp", "serve"] }), undefined);
  assert.is(admit({ runtime: "bun-compiled", loaders: ["BUN_BE_BUN"] }), undefined);
  assert.is(
    admit({ path: "/usr/lib/nightly-report/nightly-report", immutable: true, sha256: "@c" }),
    "nightly-report",
  );
  const placeholder = "0123456789abcdef".repeat(4);
  const script = {
    runtime: "node",
    sha256: placeholder,
    script_path: "/opt/a.js",
    script_sha256: placeholder,
  } as const;
  assert.is(admit(script), "script-agent");
  assert.is(admit({ ...script, script_path: "/tmp/a.js" }), undefined);
  assert.is(admit({ ...script, uid: 1001 }), undefined);
});

test.run();
