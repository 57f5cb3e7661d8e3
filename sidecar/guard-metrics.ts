/** The numbers of a guard, as its control socket tells them. */
import { type AuditCounts, DURATION_BOUNDS } from "./audit/counted-log.ts";
import type { Metric, Sample } from "./front/control/metrics-text.ts";

/** What they are made of. */
export interface MetricSources {
  readonly counts: AuditCounts;
  /** That run now. */
  readonly sessions: number;
  readonly version: string;
  readonly server: string;
  readonly policy: { readonly name: string; readonly sha256: string } | undefined;
}

/** Names as Prometheus's own conventions want them: base units, `process_` for what every process has. */
export function guardMetrics(sources: MetricSources): readonly Metric[] {
  const { counts, sessions } = sources;
  const { allowed, denied, observed } = counts.decisions;
  const of = (type: Parameters<typeof counts.events.get>[0]): Sample[] => [
    { value: counts.events.get(type) ?? 0 },
  ];
  return [
    gauge("mcp_guard_info", "What runs", [{ labels: about(sources), value: 1 }]),
    gauge("mcp_guard_sessions", "Sessions that run", [{ value: sessions }]),
    counter("mcp_guard_sessions_started", "Sessions that were begun", of("session-start")),
    counter(
      "mcp_guard_peers_refused",
      "Peers that were not admitted, by code",
      byLabel("code", counts.refused),
    ),
    counter("mcp_guard_peers_refused_unrecorded", "Refused peers of a flood, which have no record", [
      { value: counts.unrecorded },
    ]),
    counter("mcp_guard_decisions", "Messages that were decided on; 'observed': denied, and passed on", [
      { labels: { effect: "allow" }, value: allowed },
      { labels: { effect: "deny" }, value: denied },
      { labels: { effect: "observed" }, value: observed },
    ]),
    counter("mcp_guard_results", "Requests that ended, by outcome", byLabel("outcome", counts.results)),
    durations(counts),
    counter(
      "mcp_guard_upstream_starts",
      "Times that a process of the server was started",
      of("upstream-start"),
    ),
    counter(
      "mcp_guard_policy_loads",
      "Times that the policy was loaded while the guard ran",
      of("policy-loaded"),
    ),
    counter("mcp_guard_audit_failures", "Times that audit records could not be written", [
      { value: counts.failures },
    ]),
    ...processMetrics(),
  ];
}

function about({ version, server, policy }: MetricSources): Readonly<Record<string, string>> {
  return {
    version,
    server,
    ...(policy === undefined ? {} : { policy: policy.name, policy_sha256: policy.sha256 }),
  };
}

function durations({ durations, durationMs }: AuditCounts): Metric {
  let sum = 0;
  const buckets = durations.map((count, i) => {
    const le = i < DURATION_BOUNDS.length ? String(DURATION_BOUNDS[i]) : "+Inf";
    return { suffix: "_bucket", labels: { le }, value: sum += count };
  });
  return {
    name: "mcp_guard_request_duration_seconds",
    help: "From when a request was passed on to its end",
    type: "histogram",
    samples: [
      ...buckets,
      { suffix: "_sum", value: durationMs / 1000 },
      { suffix: "_count", value: sum },
    ],
  };
}

function processMetrics(): readonly Metric[] {
  const { user, system } = process.cpuUsage();
  return [
    counter("process_cpu_seconds", "Time on a processor", [{ value: (user + system) / 1e6 }]),
    gauge("process_resident_memory_bytes", "Memory in use", [{ value: process.memoryUsage.rss() }]),
    gauge("process_start_time_seconds", "Since 1970", [{ value: Date.now() / 1000 - process.uptime() }]),
  ];
}

function gauge(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, help, type: "gauge", samples };
}

function counter(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, help, type: "counter", samples };
}

function byLabel(label: string, counts: ReadonlyMap<string, number>): readonly Sample[] {
  return Array.from(counts, ([text, value]) => ({ labels: { [label]: text }, value }));
}
