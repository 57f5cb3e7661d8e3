import { url } from "node:inspector";
import { splitNodeOptions, unsafeOption } from "../self-defence.ts";
import { type Finding, finding } from "./finding.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The runtime, and whether it was told to let others in. */
export function examineRuntime(env: Environment, execArgv: readonly string[]): Finding[] {
  return [examineVersion(), examineOptions(env, execArgv), examineInspector()];
}

function examineVersion(): Finding {
  const deno = process.versions["deno"];
  const name = deno === undefined ? `Node ${process.versions.node}` : `Deno ${deno}`;
  const [major = 0, minor = 0] = (deno ?? process.versions.node).split(".").map(Number);
  const fits = deno === undefined ? major > 20 || (major === 20 && minor >= 19) : major >= 2;
  return fits
    ? finding("runtime", "ok", name, "A supported runtime")
    : finding("runtime", "missing", name, "Not supported; use Node 20.19 or later, or Deno 2");
}

function examineOptions(env: Environment, execArgv: readonly string[]): Finding {
  const unsafe = unsafeOption([...splitNodeOptions(env["NODE_OPTIONS"] ?? ""), ...execArgv]);
  return unsafe === undefined
    ? finding(
      "runtime.options",
      "ok",
      env["NODE_OPTIONS"] ? "NODE_OPTIONS is harmless" : "none",
      "Nothing loads code into the guard",
    )
    : finding(
      "runtime.options",
      "missing",
      unsafe.option,
      `It ${unsafe.because}; 'run' refuses to start with it`,
    );
}

function examineInspector(): Finding {
  return url() === undefined
    ? finding("runtime.inspector", "ok", "closed", "No debugger can attach")
    : finding("runtime.inspector", "missing", "open", "Any process of your user can run code in here");
}
