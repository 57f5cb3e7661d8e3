/**
 * The control socket: who runs the guard sees its sessions there, ends one, loads the policy once more.
 *
 * Trusts: the kernel's word on whose process connected, and nothing else. Only processes of the guard's own account are
 * let in. They could as well send it signals, and read in /proc what they are told here: nothing is decided here that
 * they could not bring about anyway, and what they bring about stands in the audit log with who it was.
 */
import { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import type { AdmittedPeer } from "../../gate/admission/admit.ts";
import { Capacity } from "../capacity.ts";
import type { DoorOptions } from "../door.ts";
import { UnixDoor } from "../unix-door.ts";
import type { Controls } from "./controls.ts";
import type { ControlAnswer } from "./routes.ts";

export interface ControlDoorOptions
  extends Pick<DoorOptions, "platform" | "path" | "digests" | "trustDomain" | "refused" | "notice"> {
  readonly controls: Controls;
}

const MAX_CONNECTIONS = 16;

/** @returns What closes it. @throws {GuardError} `ERR_SOCKET_UNSAFE` */
export async function openControlDoor(options: ControlDoorOptions): Promise<{ close(): void }> {
  const { controls, ...door } = options;
  return await UnixDoor.open({
    ...door,
    clients: undefined,
    world: { trusted: () => [], via: "direct" },
    capacity: new Capacity(() => MAX_CONNECTIONS),
    serve: (peer) => serve(peer, controls),
    turnAway: (stream) => Promise.resolve(stream.destroy()),
  });
}

async function serve(peer: AdmittedPeer, controls: Controls): Promise<void> {
  // Loaded when somebody comes: most guards are never asked anything, and HTTP is large.
  const [{ HttpWire }, { answer }] = await Promise.all([
    import("../http/wire/http-wire.ts"),
    import("./routes.ts"),
  ]);
  await new HttpWire().converse(peer.stream, {
    // Whether it was sent before we looked does not matter: any program of this account may ask.
    request: (req, res) =>
      void answer(req, controls, () => peer.complete())
        .then((said) => send(res, said)),
    malformed: () => {},
    lost: () => {},
  });
  peer.close();
}

function send(res: ServerResponse, { status, media, body, headers }: ControlAnswer): void {
  if (res.headersSent || res.destroyed) return void res.destroy();
  const bytes = Buffer.from(body);
  res.writeHead(status, {
    "content-type": media,
    "content-length": bytes.length,
    "cache-control": "no-store",
    ...(res.req.complete ? {} : { connection: "close" }),
    ...headers,
  });
  res.end(bytes);
}
