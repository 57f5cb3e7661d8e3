import type { AuditEvent, DecisionEvent, ResultEvent } from "../audit-log.ts";
import { boundedInner, boundedQuote, detailText, quote } from "./text.ts";

const MAX_RULES = 32;

/** What an event adds to a record, as JSON members that begin with a comma. */
export function eventText(event: AuditEvent): string {
  if (event.type === "decision") return decisionText(event);
  if (event.type === "result") return resultText(event);
  return `,"detail":${detailText(event.detail)}`;
}

// Each record is one template: every smaller string that is put together first costs time on the hot path.

function decisionText(event: DecisionEvent): string {
  const { name, rpcId, argsDigest, refusal } = event;
  return `,"direction":"${event.direction}","method":"${boundedInner(event.method)}${
    name === undefined ? "" : `","name":"${boundedInner(name)}`
  }${rpcId === undefined ? "" : `","rpc_id":"${boundedInner(rpcId)}`}","effect":"${event.effect}","reason":"${
    boundedInner(event.reason)
  }","rules":${rulesText(event.rules)}${event.observed === true ? ',"observed":true' : ""}${
    argsDigest === undefined ? "" : `,"args_digest":"${boundedInner(argsDigest)}"`
  },"decision_us":${whole(event.decisionUs)}${
    refusal === undefined ? "" : `,"refusal":"${boundedInner(refusal)}"`
  }`;
}

function resultText(event: ResultEvent): string {
  const { name, rpcId } = event;
  return `,"direction":"${event.direction}","method":"${boundedInner(event.method)}${
    name === undefined ? "" : `","name":"${boundedInner(name)}`
  }${
    rpcId === undefined ? "" : `","rpc_id":"${boundedInner(rpcId)}`
  }","outcome":"${event.outcome}","duration_ms":${thousandths(event.durationMs)},"bytes":${
    whole(event.bytes)
  }`;
}

function rulesText(rules: readonly string[]): string {
  if (rules.length === 0) return "[]";
  if (rules.length === 1) return `["${boundedInner(rules[0]!)}"]`;
  const shown = rules.slice(0, MAX_RULES).map((rule) => boundedQuote(rule));
  if (rules.length > MAX_RULES) shown.push(quote(`[+${rules.length - MAX_RULES} more]`));
  return `[${shown.join(",")}]`;
}

/** A number that cannot be written as one is null: 0 would be a claim. */
function whole(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value)) : "null";
}

function thousandths(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value * 1000) / 1000) : "null";
}
