import type { AuditEvent, DecisionEvent, ResultEvent, Subject } from "../audit-log.ts";
import { boundedQuote, detailText, quote } from "./text.ts";

const MAX_RULES = 32;

/** What an event adds to a record, as JSON members that begin with a comma. */
export function eventText(event: AuditEvent): string {
  if (event.type === "decision") return subjectText(event) + decisionText(event);
  if (event.type === "result") return subjectText(event) + resultText(event);
  return `,"detail":${detailText(event.detail)}`;
}

function subjectText(subject: Subject): string {
  const name = subject.name === undefined ? "" : `,"name":${boundedQuote(subject.name)}`;
  const id = subject.rpcId === undefined ? "" : `,"rpc_id":${boundedQuote(subject.rpcId)}`;
  return `,"direction":"${subject.direction}","method":${boundedQuote(subject.method)}${name}${id}`;
}

function decisionText(event: DecisionEvent): string {
  let text = `,"effect":"${event.effect}","reason":${boundedQuote(event.reason)}` +
    `,"rules":${rulesText(event.rules)}`;
  if (event.observed === true) text += ',"observed":true';
  if (event.argsDigest !== undefined) text += `,"args_digest":${boundedQuote(event.argsDigest)}`;
  text += `,"decision_us":${whole(event.decisionUs)}`;
  return event.refusal === undefined ? text : `${text},"refusal":${boundedQuote(event.refusal)}`;
}

function resultText(event: ResultEvent): string {
  return `,"outcome":"${event.outcome}","duration_ms":${thousandths(event.durationMs)},"bytes":${
    whole(event.bytes)
  }`;
}

function rulesText(rules: readonly string[]): string {
  if (rules.length === 0) return "[]";
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
