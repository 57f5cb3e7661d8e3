import type { PeerEvidence, Principal } from "../model/evidence.ts";
import { isRelied } from "./relied.ts";

/**
 * The principal of a peer.
 *
 * Where no client entry of a policy names it, the name is made of what was measured, never of a file's or a process's
 * name, which anybody can choose. While the digest is pending it is the account's.
 *
 * @param trustDomain As SPIFFE writes it: `example.org`.
 * @param client The entry of the policy that admitted it.
 */
export function principalOf(evidence: PeerEvidence, trustDomain: string, client?: string): Principal {
  const { process, credentials } = evidence;
  const uid = "value" in credentials
    ? credentials.value.uid
    : "absent" in process || "absent" in process.uid
    ? undefined
    : process.uid.value;
  if (uid === undefined) return { name: "unidentified", id: `spiffe://${trustDomain}/unidentified` };
  const digest = "absent" in process ? undefined : process.executable.sha256;
  const name = client !== undefined
    ? client
    : digest !== undefined && isRelied(digest)
    ? `exe-${digest.value.slice(0, 16)}`
    : `uid-${uid}`;
  return { name, id: `spiffe://${trustDomain}/uid-${uid}/${name}` };
}
