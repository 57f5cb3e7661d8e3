/** What is said at `/token` and of the keys. The answers are those of OAuth (RFC 6749, 5.1), which clients can read. */
import { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import { badRequest, type Problem } from "../request/problem.ts";
import type { IssuedToken } from "./issuing.ts";

/** In bytes. */
export const LONGEST_REQUEST = 1024;

/** The body is `{}`, or `{"bootstrap": "SECRET"}`; what has other members was meant for something else. */
export function readSecret(body: Buffer): { readonly secret: string | undefined } | Problem {
  const malformed = badRequest('The body must be {} or {"bootstrap": "SECRET"}');
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return malformed;
    const keys = Object.keys(value);
    if (keys.length === 0) return { secret: undefined };
    const { bootstrap: secret } = value as { readonly bootstrap?: unknown };
    return keys.length === 1 && typeof secret === "string" ? { secret } : malformed;
  } catch {
    // No JSON, or no UTF-8.
    return malformed;
  }
}

export function sendToken(res: ServerResponse, { token, seconds }: IssuedToken): void {
  send(res, { access_token: token, token_type: "Bearer", expires_in: seconds }, "no-store");
}

/** A key of ours lives as long as the guard at most: who keeps an old one finds no token of the new guard good. */
export function sendKeys(res: ServerResponse, jwks: unknown): void {
  send(res, jwks, "no-cache");
}

function send(res: ServerResponse, value: unknown, caching: string): void {
  if (res.headersSent || res.destroyed) return void res.destroy();
  const body = Buffer.from(JSON.stringify(value));
  res.writeHead(200, {
    "content-type": "application/json",
    "content-length": body.length,
    "cache-control": caching,
  });
  res.end(body);
}
