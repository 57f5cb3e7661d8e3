/**
 * What of a request's head is looked at, and by which rules. Pure.
 *
 * Defends against: web pages (a foreign Origin, a name that resolves to us, requests without preflight), two readings
 * of one head (a header sent twice, a body of unclear length). Trusts the parser that lines and lengths are what RFC
 * 9112 says: node's refuses Content-Length beside Transfer-Encoding, two lengths, bare line feeds and folded lines.
 */
import { badRequest, forbidden, notAllowed, notFound, type Problem } from "./problem.ts";

/** The paths that are served, byte for byte. */
const PATHS: ReadonlyMap<string, { readonly route: Route; readonly methods: readonly string[] }> = new Map([
  ["/mcp", { route: "mcp", methods: ["GET", "POST", "DELETE"] }],
  ["/token", { route: "token", methods: ["POST"] }],
  ["/.well-known/jwks.json", { route: "keys", methods: ["GET"] }],
]);

/** `token` and `keys` are there only where tokens are issued. */
export type Route = "mcp" | "token" | "keys";

/** As the parser gives it: names and values by turns, as they were sent. */
export interface RawRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
}

/** Headers that are read; each may be sent once. */
const READ = [
  "accept",
  "authorization",
  "content-encoding",
  "content-length",
  "content-type",
  "host",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "origin",
  "sec-fetch-site",
  "transfer-encoding",
] as const;
type ReadHeader = (typeof READ)[number];
const IS_READ: ReadonlySet<string> = new Set(READ);

export type Headers = ReadonlyMap<ReadHeader, string>;

/** Whom a door is meant for. */
export interface Place {
  /** Values of Host that are ours, in lower case. */
  isOurs(host: string): boolean;
  /** `http`, or `https` where something before us speaks TLS. */
  readonly scheme: "http" | "https";
}

/** What is asked for: where, and what its head says. */
export interface Head {
  readonly route: Route;
  readonly headers: Headers;
}

/** Host of a Unix socket's requests: nothing that is resolved, but clients have to send one. */
export const UNIX_PLACE: Place = {
  isOurs: (host) => /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/.test(host),
  scheme: "http",
};

/**
 * @param tokens Whether tokens are issued.
 * @returns What is asked for, or what is wrong with the request whatever is in its body.
 */
export function checkHead(request: RawRequest, place: Place, tokens: boolean): Head | Problem {
  const headers = checkForm(request, place);
  if ("status" in headers) return headers;
  const route = findRoute(request, tokens);
  return typeof route === "string" ? { route, headers } : route;
}

/** @returns The headers that are read, or what is wrong with the request wherever it goes. */
export function checkForm(request: RawRequest, place: Place): Headers | Problem {
  const headers = readHeaders(request.rawHeaders);
  if ("status" in headers) return headers;
  return badForm(request, headers) ?? foreign(headers, place) ?? headers;
}

function readHeaders(raw: readonly string[]): Map<ReadHeader, string> | Problem {
  const headers = new Map<ReadHeader, string>();
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (!IS_READ.has(name)) continue;
    if (headers.has(name as ReadHeader)) return badRequest(`The header '${name}' was sent twice`);
    headers.set(name as ReadHeader, raw[i + 1]!.trim());
  }
  return headers;
}

function badForm({ httpVersion, method }: RawRequest, headers: Headers): Problem | undefined {
  if (httpVersion !== "1.1") return { ...badRequest("HTTP/1.1 is required"), status: 505 };
  const coding = headers.get("transfer-encoding");
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    return { ...badRequest("Only 'chunked' is supported as transfer coding"), status: 501 };
  }
  const length = headers.get("content-length");
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return badRequest("Invalid Content-Length");
  const hasBody = coding !== undefined || (length !== undefined && length !== "0");
  if (method !== "POST" && hasBody) return badRequest("Only POST has a body here");
  return undefined;
}

/** Also where there is no Origin: a page whose name was made to lead to us sends none with a GET. */
function foreign(headers: Headers, place: Place): Problem | undefined {
  const host = headers.get("host")?.toLowerCase();
  if (host === undefined || !place.isOurs(host)) return forbidden("Invalid Host", "http:host");
  const origin = headers.get("origin")?.toLowerCase();
  if (origin !== undefined && origin !== `${place.scheme}://${host}`) {
    return forbidden("Invalid Origin", "http:origin");
  }
  const site = headers.get("sec-fetch-site")?.toLowerCase();
  if (site === "cross-site" || site === "same-site") return forbidden("Invalid Origin", "http:cross-site");
  return undefined;
}

function findRoute({ method, url }: RawRequest, tokens: boolean): Route | Problem {
  const found = PATHS.get(url ?? "");
  if (found === undefined || (found.route !== "mcp" && !tokens)) return notFound();
  return found.methods.includes(method ?? "") ? found.route : notAllowed(found.methods.join(", "));
}

/** A POST's: what it brings. */
export function checkJson(headers: Headers): Problem | undefined {
  const type = headers.get("content-type") ?? "";
  // Nothing that a page may send without asking first (a preflight, which is refused here) is application/json.
  if (!/^application\/json[ \t]*(;[ \t]*charset="?utf-8"?[ \t]*)?$/i.test(type)) {
    return { ...badRequest("Content-Type must be application/json"), status: 415 };
  }
  if (headers.has("content-encoding")) {
    return { ...badRequest("Content-Encoding is not supported"), status: 415 };
  }
  return undefined;
}

/** A POST's: what it brings, and what it takes for an answer. */
export function checkMedia(headers: Headers): Problem | undefined {
  const problem = checkJson(headers);
  if (problem !== undefined) return problem;
  const accept = headers.get("accept");
  if (accepts(accept, "application/json") && accepts(accept, "text/event-stream")) return undefined;
  return { ...badRequest("Accept must list application/json and text/event-stream"), status: 406 };
}

/** A GET's. */
export function checkAcceptsEvents(headers: Headers): Problem | undefined {
  if (accepts(headers.get("accept"), "text/event-stream")) return undefined;
  return { ...badRequest("Accept must list text/event-stream"), status: 406 };
}

/** RFC 9110 12.5.1, without weighing: what is listed with q=0 is not accepted. */
function accepts(accept: string | undefined, type: string): boolean {
  const major = `${type.slice(0, type.indexOf("/"))}/*`;
  return (accept ?? "").split(",").some((range) => {
    const [name = "", ...params] = range.toLowerCase().split(";").map((part) => part.trim());
    if (name !== type && name !== major && name !== "*/*") return false;
    return !params.some((param) => /^q=0(\.0*)?$/.test(param));
  });
}
