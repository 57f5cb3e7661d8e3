/** One decision in this process, by the number of rules: what a policy costs without relay or audit around it. */
import { performance } from "node:perf_hooks";
import { loadPolicy, type Policy, type PolicyRequest } from "../../../policy/mod.ts";
import { realPath } from "../../../sidecar/config/real-path.ts";
import type { Measure } from "../measure.ts";
import type { Row } from "../rows.ts";
import { interleave, spreadOf } from "../statistics.ts";
import type { Bench } from "../subjects.ts";

const RULES = [10, 100, 1_000];

export const decide: Measure = {
  name: "decide",
  summary: "one decision among 10, 100 and 1,000 rules",
  places: ["one core"],
  async run({ bench, quick }): Promise<Row[]> {
    const rows: Row[] = [];
    for (const count of RULES) {
      const policy = await policyOf(count, bench.project);
      const requests = requestsOf(count, bench);
      const repeat = quick ? 1_000 : 5_000;
      const once = async ({ subject, request, effect }: Asked) => {
        if (policy.decide(request).effect !== effect) throw new Error(`Wrongly decided: ${subject}`);
        const begun = performance.now();
        for (let i = 0; i < repeat; i++) policy.decide(request);
        return await Promise.resolve((performance.now() - begun) * 1000 / repeat);
      };
      for (const request of requests) await once(request);
      for (const [{ subject }, values] of await interleave(requests, quick ? 3 : 11, once)) {
        const value = spreadOf(values);
        rows.push({
          measure: `a decision among ${count} rules`,
          place: "one core",
          subject,
          unit: "µs",
          value,
          ratio: undefined,
        });
      }
    }
    return rows;
  },
};

/** A rule per tool, and every tenth for all of them. */
async function policyOf(count: number, project: string): Promise<Policy> {
  const rules = Array.from({ length: count }, (_, i) => {
    if (i % 10 === 9) {
      return `  - {name: r${i}, tools: ["*"], effect: deny, args: {path: {equals: "/secret${i}"}}}`;
    }
    const args = i % 2 === 0 ? "" : ", args: {path: {under: $PROJECT}}";
    return `  - {name: r${i}, tools: [tool${i}], effect: allow${args}}`;
  });
  const text = `version: 1\nname: bench\nrules:\n${rules.join("\n")}\n`;
  const variables = { PROJECT: project, HOME: "/nonexistent" };
  const { policy, problems } = await loadPolicy(text, "bench.yaml", { variables, cwd: project, realPath });
  if (policy === undefined) throw new Error(problems.map((it) => it.message).join("; "));
  return policy;
}

interface Asked {
  readonly subject: string;
  readonly request: PolicyRequest;
  readonly effect: "allow" | "deny";
}

function requestsOf(count: number, { note }: Bench): Asked[] {
  const call = (name: string): PolicyRequest => ({ kind: "tool", name, args: { path: note } });
  const last = count - 2; // in each list the last is one for everybody, and the one before it has no `args`
  return [
    { subject: "allowed by name", request: call(`tool${last}`), effect: "allow" },
    { subject: "allowed by a path under", request: call(`tool${last - 1}`), effect: "allow" },
    { subject: "matched by no rule", request: call("other"), effect: "deny" },
  ];
}
