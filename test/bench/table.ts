/** The results as a table for people. */
import type { Row } from "./rows.ts";
import type { Spread } from "./statistics.ts";
import { verdictOf } from "./targets.ts";

const COLUMNS = [34, 26, 26, 10, 6] as const;

/** One block per measure and place. */
export function tableOf(rows: readonly Row[]): string {
  const blocks = group(rows);
  return [...blocks].map(([title, own]) => `${title}\n${own.map(lineOf).join("\n")}\n`).join("\n");
}

function group(rows: readonly Row[]): Map<string, Row[]> {
  const blocks = new Map<string, Row[]>();
  for (const row of rows) {
    const title = `${row.measure}${row.place === "" ? "" : ` · ${row.place}`}`;
    blocks.set(title, [...blocks.get(title) ?? [], row]);
  }
  return blocks;
}

function lineOf(row: Row): string {
  const verdict = verdictOf(row);
  const cells = [
    row.subject,
    `${spreadText(row.value)} ${row.unit}`,
    row.ratio === undefined ? "" : `×${spreadText(row.ratio)}`,
    verdict?.target ?? "",
    verdict?.verdict ?? "",
  ];
  return `  ${cells.map((cell, i) => cell.padEnd(COLUMNS[i]!)).join(" ")}`.trimEnd();
}

function spreadText({ median, low, high }: Spread): string {
  return low === high ? number(median) : `${number(median)} (${number(low)}…${number(high)})`;
}

/** Three digits that count. */
function number(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
