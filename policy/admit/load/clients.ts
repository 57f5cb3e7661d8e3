/** The section `clients` from its text. */
import type { Clients } from "../../clients.ts";
import type { Workshop } from "../../match/words.ts";
import { quote } from "../../text/report.ts";
import type { MapNode } from "../../text/tree.ts";
import { textField } from "../../text/tree.ts";
import { openClients } from "../clients.ts";
import { advise } from "./advice.ts";
import { compileEntry } from "./entry.ts";
import { checkIdentities } from "./identities.ts";

export interface ClientsSection {
  /** Undefined: the policy has no such section. */
  readonly clients: Clients | undefined;
  /** Every name that rules may refer to, also those of entries with errors. */
  readonly names: ReadonlySet<string>;
}

export function compileClients(root: MapNode, workshop: Workshop): ClientsSection {
  const section = root.entries.get("clients");
  if (section === undefined) return { clients: undefined, names: new Set() };
  const { report } = workshop;
  const items = section.value.kind === "list" ? section.value.items : [];
  const nodes = items.filter((item) => item.kind === "map");
  if (section.value.sound && items.length === 0) {
    const hint = "Name somebody, or remove the key: then it is any process of the guard's own user";
    report.error(section.value, "'clients' is empty: nobody could ever connect", hint);
  }
  const placed = nodes.map((node) => compileEntry(node, workshop));
  for (const one of placed) checkIdentities(one, workshop);
  const sound = placed.filter(({ node }) => node.sound);
  advise(sound, report);
  return { clients: openClients(sound.map(({ entry }) => entry)), names: readNames(nodes, workshop) };
}

function readNames(nodes: readonly MapNode[], { report }: Workshop): ReadonlySet<string> {
  const names = new Set<string>();
  for (const node of nodes) {
    const name = textField(node, "name");
    if (name === undefined) continue;
    if (names.has(name)) {
      const hint = "Give each its own name, or list what may differ in one entry";
      report.error(node.entries.get("name")!.value, `Two clients are called ${quote(name)}`, hint);
    }
    names.add(name);
  }
  return names;
}
