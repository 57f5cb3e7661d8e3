/**
 * Resource URIs: parsed once, judged against patterns.
 *
 * A server may take a URI as the text that it is, or parse it: then scheme and host lose their case, `%xx` is
 * decoded, `.` and `..` disappear. A pattern therefore judges both readings, and where they differ it is unknown.
 * `file:` is judged as a path, by the rules of `under`.
 */
import { flawOfPath } from "./path.ts";
import { isWellFormed } from "./verdict.ts";

const MAX_LENGTH = 8192;
const SHAPE = /^([A-Za-z][A-Za-z0-9+.-]*):(\/\/[^/?#]*)?([^?#]*)(\?[^#]*)?(#[^]*)?$/;

export type ParsedUri =
  | { readonly kind: "flawed"; readonly flaw: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "other"; readonly written: string; readonly canonical: string };

export function parseUri(uri: string): ParsedUri {
  const flaw = flawOfText(uri);
  if (flaw !== undefined) return { kind: "flawed", flaw };
  const match = SHAPE.exec(uri);
  if (match === null) return { kind: "flawed", flaw: "it has no scheme" };
  const [, scheme = "", authority, path = "", query] = match;
  if (scheme.toLowerCase() === "file") return parseFile(uri, authority, path);
  const decodedPath = decodePath(path);
  const decodedQuery = query === undefined ? "" : decode(query);
  if (decodedPath === undefined || decodedQuery === undefined || authority?.includes("%")) {
    return { kind: "flawed", flaw: "it has '%' where it can be read in several ways" };
  }
  const plainPath = withoutDots(decodedPath);
  if (plainPath === undefined) return { kind: "flawed", flaw: "its '..' leads above its beginning" };
  const start = `${scheme.toLowerCase()}:${authority?.toLowerCase() ?? ""}`;
  return { kind: "other", written: uri, canonical: start + plainPath + decodedQuery };
}

function flawOfText(uri: string): string | undefined {
  if (uri.length > MAX_LENGTH) return "it is too long";
  if (!isWellFormed(uri)) return "it is not well-formed Unicode";
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(uri)) return "it has a control character";
  if (uri !== uri.trim()) return "it begins or ends with a blank";
  return uri.includes("\\") ? "it has a backslash" : undefined;
}

function parseFile(uri: string, authority: string | undefined, path: string): ParsedUri {
  if (authority !== undefined && authority !== "//") return { kind: "flawed", flaw: "it names another host" };
  if (/[?#]/.test(uri)) return { kind: "flawed", flaw: "it has a query or a fragment" };
  const decoded = decodePath(path);
  const flaw = decoded === undefined
    ? "it has '%' where it can be read in several ways"
    : flawOfPath(decoded, false);
  return flaw === undefined ? { kind: "file", path: decoded! } : { kind: "flawed", flaw };
}

/** Encoded separators and control characters are in one reading part of a name, and in another they are not. */
function decodePath(path: string): string | undefined {
  return /%(?:2f|5c|3f|23|[01][0-9a-f]|7f)/i.test(path) ? undefined : decode(path);
}

/** Decodes once; undefined when that is impossible, or when something is left that a second time would decode. */
function decode(text: string): string | undefined {
  if (!text.includes("%")) return text;
  try {
    const decoded = decodeURIComponent(text);
    return /%[0-9a-f]{2}/i.test(decoded) || /\p{Cc}/u.test(decoded) ? undefined : decoded;
  } catch {
    return undefined; // Not UTF-8, or no two hex digits after '%'.
  }
}

/**
 * RFC 3986, 5.2.4, but undefined where `..` leads above the beginning: some then take it out of the host.
 */
function withoutDots(path: string): string | undefined {
  if (!/(?:^|\/)\.{1,2}(?:\/|$)/.test(path)) return path;
  const [first = "", ...segments] = path.split("/");
  if (first === "." || first === "..") return undefined;
  const kept: string[] = [];
  for (const [index, segment] of segments.entries()) {
    if (segment === ".." && kept.pop() === undefined) return undefined;
    if (segment !== "." && segment !== "..") kept.push(segment);
    else if (index === segments.length - 1) kept.push("");
  }
  return [first, ...kept].join("/");
}
