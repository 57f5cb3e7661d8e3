/** What is asked at the control socket, and what is answered. Everything is JSON, save the metrics. */
import { GuardError, messageOf } from "../../model/errors.ts";
import type { SessionIdentity } from "../../audit/audit-log.ts";
import type { Problem } from "../http/request/problem.ts";
import { checkForm, type RawRequest, UNIX_PLACE } from "../http/request/request-head.ts";
import type { Controls } from "./controls.ts";
import { METRICS_MEDIA, metricsText } from "./metrics-text.ts";

export interface ControlAnswer {
  readonly status: number;
  readonly media: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Who asked, with all there is to know of it. Waited for by what is recorded. */
type Asker = () => Promise<SessionIdentity>;
type Handler = (controls: Controls, asker: Asker, argument: string) => Promise<ControlAnswer> | ControlAnswer;

interface Route {
  readonly path: RegExp;
  readonly methods: Readonly<Record<string, Handler>>;
}

const ROUTES: readonly Route[] = [
  { path: /^\/sessions$/, methods: { GET: (controls) => json(200, controls.overview()) } },
  { path: /^\/sessions\/([A-Za-z0-9_-]{1,64})$/, methods: { DELETE: endSession } },
  { path: /^\/reload$/, methods: { POST: reload } },
  { path: /^\/metrics$/, methods: { GET: metrics } },
  { path: /^\/jwks\.json$/, methods: { GET: keys } },
];

/** Never rejects: what throws on the way is an answer, too. */
export async function answer(request: RawRequest, controls: Controls, asker: Asker): Promise<ControlAnswer> {
  const headers = checkForm(request, UNIX_PLACE);
  if ("status" in headers) return refusal(headers);
  // There is nothing to say in a body; and what a page may send without asking first would have one.
  if (headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > 0) {
    return failure(400, "No request has a body here");
  }
  for (const { path, methods } of ROUTES) {
    const match = path.exec(request.url ?? "");
    if (match === null) continue;
    const handler = Object.hasOwn(methods, request.method ?? "") ? methods[request.method!] : undefined;
    if (handler === undefined) {
      return { ...failure(405, "Method not allowed"), headers: { allow: Object.keys(methods).join(", ") } };
    }
    return await handled(() => handler(controls, asker, match[1] ?? ""));
  }
  return failure(404, "Not found");
}

async function handled(work: () => Promise<ControlAnswer> | ControlAnswer): Promise<ControlAnswer> {
  try {
    return await work();
  } catch (error) {
    // Whoever asks is of our own account: it may know why.
    const status = error instanceof GuardError && error.code === "ERR_AUDIT_UNWRITABLE" ? 503 : 500;
    return failure(status, messageOf(error));
  }
}

async function endSession(controls: Controls, asker: Asker, id: string): Promise<ControlAnswer> {
  return controls.end(id, await asker()) ? json(200, { ended: id }) : failure(404, "No such session runs");
}

async function reload(controls: Controls, asker: Asker): Promise<ControlAnswer> {
  const reloaded = await controls.reload(await asker());
  return "refused" in reloaded ? failure(422, reloaded.refused) : json(200, reloaded);
}

function metrics(controls: Controls): ControlAnswer {
  return { status: 200, media: METRICS_MEDIA, body: metricsText(controls.metrics()) };
}

function keys(controls: Controls): ControlAnswer {
  const set = controls.keys();
  return set === undefined ? failure(404, "No tokens are issued") : json(200, set);
}

function refusal({ status, message }: Problem): ControlAnswer {
  return failure(status, message);
}

function failure(status: number, message: string): ControlAnswer {
  return json(status, { error: message });
}

function json(status: number, value: object): ControlAnswer {
  return { status, media: "application/json", body: `${JSON.stringify(value)}\n` };
}
