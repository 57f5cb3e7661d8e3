/** Numbers in the text format of Prometheus, version 0.0.4. Pure. */

export interface Metric {
  /** `[a-z_][a-z0-9_]*`; of a counter without its `_total`. */
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** What the sample's name has beside the metric's: `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** For the header Content-Type. */
export const METRICS_MEDIA = "text/plain; version=0.0.4; charset=utf-8";

export function metricsText(metrics: readonly Metric[]): string {
  return metrics.map(metricText).join("");
}

function metricText({ name, help, type, samples }: Metric): string {
  const full = type === "counter" ? `${name}_total` : name;
  const head = `# HELP ${full} ${escapeHelp(help)}\n# TYPE ${full} ${type}\n`;
  return head + samples.map((sample) => sampleText(full, sample)).join("");
}

function sampleText(name: string, { suffix = "", labels = {}, value }: Sample): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  const braces = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
  return `${name}${suffix}${braces} ${value}\n`;
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

/** A client's or a server's name could else end the line, and the next one would be of its making. */
function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
