/** A body as one line: JSON may stand on several, the server's stdin takes one. Pure. */
import { Buffer } from "node:buffer";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

/**
 * The same JSON on one line, newline included.
 *
 * Line ends become spaces outside of strings. Inside of one they are no JSON (RFC 8259, section 7): such a body is
 * refused and not mended, since what it would become nobody sent.
 *
 * @returns Undefined when a line end stands in a string, or the body is blank.
 */
export function bodyLine(body: Buffer): Buffer | undefined {
  const line = Buffer.allocUnsafe(body.length + 1);
  body.copy(line);
  line[body.length] = LF;
  if (line.indexOf(LF) < body.length || body.indexOf(CR) >= 0) {
    if (!joinLines(line.subarray(0, body.length))) return undefined;
  }
  return isBlank(line) ? undefined : line;
}

function joinLines(bytes: Buffer): boolean {
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i];
    if (c === QUOTE) inString = !inString;
    else if (inString) {
      if (c === BACKSLASH) i++;
      // Behind a backslash a line end is no JSON either; skipping it would leave it in the line.
      if (bytes[i] === LF || bytes[i] === CR) return false;
    } else if (c === LF || c === CR) bytes[i] = SPACE;
  }
  return true;
}

function isBlank(line: Buffer): boolean {
  return line.every((c) => c === SPACE || c === 0x09 || c === LF);
}
