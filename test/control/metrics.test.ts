/** `GET /metrics`: what a guard counts, as Prometheus reads it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { metricsText } from "../../sidecar/front/control/metrics-text.ts";
import { limited, waitUntil } from "../harness.ts";
import { open, withListener } from "../sessions/listening.ts";
import { ask, ownControlFolder, socketOf } from "./asked.ts";

const FOLDER = ownControlFolder();
const POLICY = `version: 1
name: counted
rules:
  - {name: no-say, tools: [say], effect: deny}
default: allow
`;

/** A line of the format, as its grammar has it (Prometheus, "Text format details"). */
const SAMPLE =
  /^[a-z_][a-z0-9_]*(\{([a-z_][a-z0-9_]*="([^"\\\n]|\\[\\n"])*"(,(?!\}))?)+\})? -?[0-9.]+(e[+-]?\d+)?$/;

function read(text: string): Map<string, number> {
  assert.ok(text.endsWith("\n"));
  const values = new Map<string, number>();
  for (const line of text.trimEnd().split("\n")) {
    if (/^# (HELP|TYPE) [a-z_]+ \S/.test(line)) continue;
    assert.match(line, SAMPLE);
    const split = line.lastIndexOf(" ");
    assert.not(values.has(line.slice(0, split)), line);
    values.set(line.slice(0, split), Number(line.slice(split + 1)));
  }
  return values;
}

const metrics = suite("metrics");

metrics(
  "count what happened, and nothing else",
  limited(60_000, () =>
    withListener(async (guard) => {
      const socket = await socketOf(FOLDER, guard.pid);
      const now = async () => {
        const { status, headers, text } = await ask(socket, "GET", "/metrics");
        assert.is(status, 200);
        assert.is(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        return read(text);
      };
      const before = await now();
      assert.is(before.get("mcp_guard_sessions"), 0);
      assert.is(before.get("mcp_guard_sessions_started_total"), 0);
      assert.is(before.get('mcp_guard_decisions_total{effect="deny"}'), 0);
      const peer = await open(guard.path);
      const opened = await now();
      for (let id = 1; id <= 5; id++) await peer.call(id, "echo", {});
      for (let id = 6; id <= 7; id++) await peer.call(id, "say", { lines: [] });
      const after = await now();
      const grown = (name: string) => (after.get(name) ?? 0) - (opened.get(name) ?? 0);
      assert.is(after.get("mcp_guard_sessions"), 1);
      assert.is(after.get("mcp_guard_sessions_started_total"), 1);
      assert.is(after.get("mcp_guard_upstream_starts_total"), 1);
      assert.is(grown('mcp_guard_decisions_total{effect="allow"}'), 5);
      assert.is(grown('mcp_guard_decisions_total{effect="deny"}'), 2);
      assert.is(grown("mcp_guard_request_duration_seconds_count"), 5);
      assert.is(grown('mcp_guard_request_duration_seconds_bucket{le="+Inf"}'), 5);
      assert.is(after.get("mcp_guard_audit_failures_total"), 0);
      assert.ok(after.get("process_resident_memory_bytes")! > 1e6);
      assert.ok(Math.abs(after.get("process_start_time_seconds")! - Date.now() / 1000) < 60);
      const info = [...after.keys()].find((name) => name.startsWith("mcp_guard_info{"));
      assert.match(info!, /server="counted".*policy="counted",policy_sha256="[0-9a-f]{64}"/);
      peer.socket.destroy();
      await waitUntil(async () => (await now()).get("mcp_guard_sessions") === 0);
    }, { policy: POLICY })),
);

metrics(
  "a bucket holds what the buckets before it hold",
  () =>
    limited(60_000, () =>
      withListener(async (guard) => {
        const peer = await open(guard.path);
        for (let id = 1; id <= 20; id++) await peer.call(id, "echo", {});
        const { text } = await ask(await socketOf(FOLDER, guard.pid), "GET", "/metrics");
        const buckets = [...read(text)].filter(([name]) => name.includes("_bucket{")).map(([, value]) =>
          value
        );
        assert.is(buckets.length, 11);
        assert.equal(buckets, [...buckets].sort((a, b) => a - b));
        assert.ok(buckets[10]! >= 20);
        peer.socket.destroy();
      }, { policy: POLICY }))(),
);

metrics("a name cannot end its line, or begin a sample of its own", () => {
  const text = metricsText([{
    name: "m",
    help: 'a\\b\nc "d"',
    type: "gauge",
    samples: [{ labels: { server: 'x"} 1\nforged 2\\' }, value: 3 }],
  }]);
  assert.is(text, '# HELP m a\\\\b\\nc "d"\n# TYPE m gauge\nm{server="x\\"} 1\\nforged 2\\\\"} 3\n');
  assert.is(read(text).size, 1);
});

metrics("a counter's samples bear its whole name", () => {
  const text = metricsText([{ name: "n", help: "h", type: "counter", samples: [{ value: 1 }] }]);
  assert.is(text, "# HELP n_total h\n# TYPE n_total counter\nn_total 1\n");
});

metrics.run();
