import { visible } from "./visible.ts";

/** One line of the log for people. Every text is safe to print; see `visible`. */
export interface ShownRecord {
  /** UTC, to the millisecond. */
  readonly time: string;
  /** `allow`, `deny`, `would deny` (observe mode), a result's outcome, or the record's type. */
  readonly word: string;
  /** How to colour the word. */
  readonly tone: "good" | "bad" | "warn" | "plain";
  /** The principal, or `-` for what concerns no session or nobody yet identified. */
  readonly who: string;
  /** What it was about, and why it was decided so. */
  readonly text: string;
}

/** Which records to show. Absent: all. */
export interface RecordFilter {
  /** Only those of the session with this id. */
  readonly session?: string | undefined;
  /** Only the decision behind this id, which the peer was shown. */
  readonly refusal?: string | undefined;
  /** Only what was refused, or would have been. */
  readonly denied?: boolean | undefined;
}

type Members = Readonly<Record<string, unknown>>;

const LONGEST_TEXT = 2000;

/** Reads one line of a log for showing. Nothing is proven by this: that is `verifyAuditFile`'s part. */
export class LogLine {
  readonly #members: Members;

  private constructor(members: Members) {
    this.#members = members;
  }

  /**
   * Reads one line, without its newline.
   *
   * @returns undefined when it is not a JSON object.
   */
  static parse(line: string): LogLine | undefined {
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === "object" && value !== null && !Array.isArray(value)) {
        return new LogLine(value as Members);
      }
    } catch {
      // A broken line: the caller shows it as one.
    }
    return undefined;
  }

  /** Whether the record passes every part of the filter that is given. */
  matches(filter: RecordFilter): boolean {
    const { type, session, refusal, effect } = this.#members;
    if (filter.session !== undefined && session !== filter.session) return false;
    if (filter.refusal !== undefined && refusal !== filter.refusal) return false;
    return filter.denied !== true || effect === "deny" || type === "peer-refused";
  }

  /** The record for a terminal. Members that are missing or of a wrong type are shown as they are, never trusted. */
  show(): ShownRecord {
    const { time, type, who } = this.#members;
    const principal = isMembers(who) ? who["principal"] : undefined;
    const shown = type === "decision" ? this.#decision() : type === "result" ? this.#result() : this.#event();
    return {
      time: visible(String(time)).replace("T", " ").replace("Z", ""),
      who: principal === undefined ? "-" : shorten(principal),
      ...shown,
    };
  }

  #decision(): Pick<ShownRecord, "word" | "tone" | "text"> {
    const { effect, observed, reason, rules, refusal, decision_us: us } = this.#members;
    const named = Array.isArray(rules) ? rules.map((rule) => `rule ${shorten(rule)}`) : [];
    const why = named.length > 0 ? named : [shorten(reason)];
    if (refusal !== undefined) why.push(`refusal ${shorten(refusal)}`);
    why.push(`${shorten(us)} µs`);
    const text = `${this.#subject()}  ${why.join(", ")}`;
    if (effect === "allow") return { word: "allow", tone: "good", text };
    return observed === true
      ? { word: "would deny", tone: "warn", text }
      : { word: "deny", tone: "bad", text };
  }

  #result(): Pick<ShownRecord, "word" | "tone" | "text"> {
    const { outcome, duration_ms: ms, bytes } = this.#members;
    const tone = outcome === "ok" ? "plain" : "warn";
    return {
      word: shorten(outcome),
      tone,
      text: `${this.#subject()}  ${shorten(ms)} ms, ${shorten(bytes)} bytes`,
    };
  }

  #event(): Pick<ShownRecord, "word" | "tone" | "text"> {
    const { type, session, detail, dropped } = this.#members;
    const texts = isMembers(detail)
      ? Object.entries(detail).map(([key, value]) => `${visible(key)}=${shorten(value)}`)
      : [];
    if (session !== undefined) texts.unshift(`session ${shorten(session)}`);
    if (dropped !== undefined) texts.push(`(${shorten(dropped)} records before it were lost)`);
    const tone = type === "peer-refused"
      ? "bad"
      : type === "recovered" || dropped !== undefined
      ? "warn"
      : "plain";
    return { word: shorten(type), tone, text: texts.join(" ") };
  }

  #subject(): string {
    const { direction, method, name } = this.#members;
    const arrow = direction === "fromUpstream" ? "server asks " : "";
    return `${arrow}${shorten(method)}${name === undefined ? "" : ` ${shorten(name)}`}`;
  }
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shorten(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "?";
  return visible(text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text);
}
