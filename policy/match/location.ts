/**
 * Hosts and schemes of URLs, in the spelling that every URL parser agrees on.
 *
 * WHATWG and RFC 3986 parsers disagree about `https:host`, `\`, `@`, tabs and much else (the "new era of SSRF" talk,
 * Orange Tsai 2017, has a collection). Whatever is not plain in that sense is unknown here.
 */
import { isWellFormed, type Verdict } from "./verdict.ts";

const URL_SHAPE = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#]*))?/;
/** Parsers supply the missing slashes of these, or do not. */
const NEED_SLASHES = /^(?:https?|wss?|ftp|file)$/;
const SPECIAL: ReadonlySet<string> = new Set(["http", "https", "ws", "wss", "ftp"]);
/** Mapped differently by IDNA 2003 and 2008: ß, ς and the two joiners. */
const DEVIATIONS = /[\u00df\u1e9e\u03c2\u200c\u200d]/;

interface Location {
  readonly scheme: string;
  /** Lower case, punycode, without port and trailing dot; undefined when in doubt, or when there is none. */
  readonly host: string | undefined;
}

/** @returns undefined when the text is not plainly a URL. */
function locate(text: string): Location | undefined {
  if (text.length > 65_536 || !isWellFormed(text) || /[\p{Cc}\p{Zs}\p{Zl}\p{Zp}\\]/u.test(text)) {
    return undefined;
  }
  const match = URL_SHAPE.exec(text);
  if (match === null || !URL.canParse(text)) return undefined;
  const scheme = match[1]!.toLowerCase();
  if (match[2] === undefined) return NEED_SLASHES.test(scheme) ? undefined : { scheme, host: undefined };
  return { scheme, host: hostOf(match[2], scheme, new URL(text).hostname) };
}

/** The host, if what stands in the text is what the parser made of it. */
function hostOf(authority: string, scheme: string, parsed: string): string | undefined {
  // Userinfo reads as a host to people and to naive parsers, in either direction.
  if (/[@%]/.test(authority)) return undefined;
  const port = /:[0-9]*$/.exec(authority);
  const written = (port === null ? authority : authority.slice(0, port.index)).toLowerCase();
  if (written.startsWith("[")) return isPlainIpv6(parsed) ? parsed.toLowerCase() : undefined;
  if (!SPECIAL.has(scheme)) return /^[a-z0-9._-]+$/.test(written) ? withoutDot(written) : undefined;
  if (/^[\x21-\x7e]*$/.test(written)) return written === parsed ? withoutDot(parsed) : undefined;
  const isMapped = written === written.normalize("NFKC").toLowerCase() && !DEVIATIONS.test(written);
  return isMapped ? withoutDot(parsed) : undefined;
}

/** An IPv6 address that holds an IPv4 one leads there, though it looks different. */
function isPlainIpv6(host: string): boolean {
  return host.startsWith("[") && !/^\[::ffff:|^\[64:ff9b:|^\[2002:|^\[::[0-9a-f]+:[0-9a-f]+\]$/i.test(host);
}

function withoutDot(host: string): string {
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

export function judgeScheme(text: string, schemes: ReadonlySet<string>): Verdict {
  const location = locate(text);
  if (location === undefined) return "unknown";
  return schemes.has(location.scheme) ? "yes" : "no";
}

export interface Hosts {
  readonly exact: ReadonlySet<string>;
  /** With the leading dot: `.example.com` for `*.example.com`. */
  readonly suffixes: readonly string[];
}

export function judgeHost(text: string, hosts: Hosts): Verdict {
  const host = locate(text)?.host;
  if (host === undefined || host === "") return "unknown";
  if (hosts.exact.has(host)) return "yes";
  return hosts.suffixes.some((suffix) => host.endsWith(suffix)) ? "yes" : "no";
}

/** @returns a host of the policy in canonical spelling, or undefined when it is not a host. */
export function canonicalHost(
  text: string,
): { readonly host: string; readonly wildcard: boolean } | undefined {
  const wildcard = text.startsWith("*.");
  const bare = wildcard ? text.slice(2) : text;
  const bracketed = /^[0-9a-f:]+$/i.test(bare) && bare.includes(":") ? `[${bare}]` : bare;
  const url = `https://${bracketed}/`;
  const isAddress = bracketed.startsWith("[");
  if (!isAddress && bare.includes(":") || /[/?#]/.test(bare) || (wildcard && isAddress)) return undefined;
  const host = locate(url)?.host;
  return host === undefined || host === "" || host.includes("*") ? undefined : { host, wildcard };
}
