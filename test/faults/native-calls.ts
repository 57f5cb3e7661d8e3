/** Makes our own system calls fail, one at a time. */
import { type Calls, systemCalls } from "../../sidecar/platform/linux/calls.ts";

/** What each call returns where it fails. `close` is left out: what it closes is closed whatever it says (close(2)). */
const FAILURES = {
  open: -1,
  pidfdOpen: -1,
  readable: undefined,
  count: undefined,
  socketOption: undefined,
  longSocketOption: -1,
  setSocketOption: -1,
  receive: -1,
} as const;

type Name = keyof typeof FAILURES;
/** The errno to fail with, another result in place of the call's own, or nothing. */
export type NativePlan = (name: Name, args: readonly unknown[]) =>
  | { readonly errno: string }
  | { readonly result: unknown }
  | undefined;

/** Our system calls, with a plan that can be changed at any time. */
export function faultyCalls(): { readonly calls: Calls; plan: NativePlan | undefined } {
  const real = systemCalls();
  let errno: string | undefined;
  const faulty: { readonly calls: Calls; plan: NativePlan | undefined } = {
    plan: undefined,
    calls: { ...real, errno: () => errno ?? real.errno() },
  };
  const table = faulty.calls as unknown as Record<Name, (...args: unknown[]) => unknown>;
  for (const [name, failed] of Object.entries(FAILURES) as [Name, unknown][]) {
    const original = table[name];
    table[name] = (...args) => {
      errno = undefined;
      const fault = faulty.plan?.(name, args);
      if (fault === undefined) return original(...args);
      if ("result" in fault) return fault.result;
      errno = fault.errno;
      return failed;
    };
  }
  return faulty;
}
