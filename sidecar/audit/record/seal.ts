/**
 * How a record is sealed, and how a line is checked to be one.
 *
 * A line is `{"v":1,"chain":"…","seq":N,"prev":"…","type":"…",…,"hash":"<hex>"}`. `hash` is the sha256 of every byte of
 * the line before `,"hash":`, and among those bytes is `prev`, the hash of the chain's record before. So one line can
 * be checked alone (`sha256sum` suffices), and the hash of a head vouches for all that leads to it.
 */
import * as crypto from "node:crypto";

/** `prev` of a chain's first record. */
export const GENESIS: string = "0".repeat(64);

/** What every record begins with. Quotes inside values are escaped, so it cannot occur inside a name. */
export const RECORD_START = '{"v":1,"chain":"';

/** No record is longer: names are cut and details bounded. A longer line is not ours. */
export const MAX_LINE_BYTES = 262_144;

const SEAL_BYTES = ',"hash":""}'.length + 64;
const HEADER =
  /^\{"v":1,"chain":"([a-z2-7]{16})","seq":(0|[1-9][0-9]{0,14}),"prev":"([0-9a-f]{64})","type":"([a-z-]{1,32})",(?:"dropped":([0-9]{1,15}),)?/;
const SEAL = /^,"hash":"([0-9a-f]{64})"\}$/;
/** The chain members of a record end within so many bytes. */
export const HEADER_BYTES = 240;

// Node has the one-shot hash (twice as fast) since 20.12 and 21.7.
const oneShot = crypto.hash as typeof crypto.hash | undefined;

/** Lower-case hex sha256. */
export function sha256Hex(bytes: Uint8Array): string {
  return oneShot === undefined
    ? crypto.createHash("sha256").update(bytes).digest("hex")
    : oneShot("sha256", bytes, "hex");
}

/** The end of the line whose earlier bytes have this hash. */
export function sealText(hash: string): string {
  return `,"hash":"${hash}"}\n`;
}

/** The members of a record that make it part of a chain. */
export interface Header {
  readonly chain: string;
  readonly seq: number;
  readonly prev: string;
  readonly type: string;
  /** Records lost before this one because the disk took none. */
  readonly dropped: number;
}

export interface SealedLine extends Header {
  /** The hash the line claims. */
  readonly hash: string;
  /** Whether the line's own bytes have that hash. */
  readonly intact: boolean;
}

/** Reads the chain members of a line, or of the beginning of one. */
export function readHeader(line: Buffer): Header | undefined {
  const match = HEADER.exec(line.toString("latin1", 0, HEADER_BYTES));
  if (match === null) return undefined;
  const [, chain, seq, prev, type] = match as unknown as [string, string, string, string, string];
  return { chain, seq: Number(seq), prev, type, dropped: Number(match[5] ?? 0) };
}

/** @returns undefined when the line (without its newline) does not have the shape of a record. */
export function readLine(line: Buffer): SealedLine | undefined {
  const header = readHeader(line);
  const end = line.length - SEAL_BYTES;
  if (header === undefined || end <= 0 || line.length > MAX_LINE_BYTES) return undefined;
  const hash = SEAL.exec(line.toString("latin1", end))?.[1];
  if (hash === undefined) return undefined;
  return { ...header, hash, intact: sha256Hex(line.subarray(0, end)) === hash };
}
