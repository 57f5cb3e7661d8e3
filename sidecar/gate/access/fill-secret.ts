/** The server's own one-time secret, where the policy has the guard show it: no client ever knows it. */
import { Buffer } from "node:buffer";
import { applyEdits } from "../../relay/edits.ts";
import { memberAt, membersOf } from "../../relay/json-members.ts";
import type { PeerLine } from "../peer-line.ts";

/** The server's tool, and the argument that it takes its secret in. */
export const SERVER_TOOL = "get_token";
const ARGUMENT = "bootstrap_secret";

/**
 * Writes the secret into a call of the server's tool, in place of whatever the client wrote there.
 *
 * @param line A tool call that was scanned: its arguments are an object, or absent, and no key stands twice.
 */
export function fillSecret({ bytes, start, end, stale }: PeerLine, secret: string): PeerLine {
  const line = bytes.subarray(start, end);
  const params = memberAt(line, ["params"]);
  if (params === undefined) throw new Error("A tool call has no params");
  const member = `"${ARGUMENT}":${JSON.stringify(secret)}`;
  const args = memberAt(line, ["params", "arguments"]);
  const members = args && membersOf(line, args.start, args.end);
  const insert = (at: number, text: string) =>
    applyEdits(line, [{ at: { start: at, end: at }, text: Buffer.from(text) }]);
  let filled: Buffer;
  const given = members?.find(({ key }) => key === ARGUMENT);
  if (args === undefined) filled = insert(params.start + 1, `"arguments":{${member}},`);
  else if (members === undefined) throw new Error("The arguments of a tool call are no object");
  else if (given !== undefined) filled = applyEdits(line, [{ at: given, text: Buffer.from(member) }]);
  else filled = insert(args.start + 1, members.length > 0 ? `${member},` : member);
  return { bytes: filled, start: 0, end: filled.length, stale };
}
