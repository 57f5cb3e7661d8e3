/**
 * The one file that knows koffi: how it is loaded, and how a C function is called through it.
 */
import { createRequire } from "node:module";
import { constants } from "node:os";
import { GuardError, messageOf } from "../model/errors.ts";

interface NativeFunction {
  (...args: readonly unknown[]): number | bigint;
  async(...args: readonly unknown[]): void;
}

interface Koffi {
  load(path: string | null): { func(prototype: string): NativeFunction };
  errno(): number;
  address(buffer: ArrayBuffer): bigint;
}

/** C functions of this process's own libc, and the errno of the last call. */
export interface Native {
  func(prototype: string): (...args: readonly unknown[]) => number;
  /**
   * The same on a thread of koffi's, for a call that blocks; the event loop stays alive until it returns. Its errno is
   * lost. Buffers among the arguments must be kept by the caller until `done`.
   */
  asyncFunc(prototype: string): (args: readonly unknown[], done: (result: number) => void) => void;
  errno(): number;
  /** Where the bytes of a buffer are, for structures that point to it. They stay there as long as it is referenced. */
  address(buffer: ArrayBuffer): bigint;
}

let loaded: Native | undefined;

/**
 * Loads koffi once.
 *
 * The package of this very platform is tried first: it starts in a few milliseconds where the general one needs
 * seventeen. It holds a library for glibc and one for musl and chooses by the running executable.
 *
 * @throws {GuardError} `ERR_PLATFORM_UNSUPPORTED` when there is no library for this platform.
 */
export function native(): Native {
  if (loaded !== undefined) return loaded;
  const koffi = requireKoffi();
  const libc = koffi.load(null);
  loaded = {
    func(prototype) {
      const call = libc.func(prototype);
      // A C `long` may come back as a bigint; none of the calls made here returns more than 2^53.
      return (...args) => Number(call(...args));
    },
    asyncFunc(prototype) {
      const call = libc.func(prototype);
      return (args, done) =>
        call.async(...args, (error: unknown, result: number | bigint) => done(error ? -1 : Number(result)));
    },
    errno: () => koffi.errno(),
    address: (buffer) => koffi.address(buffer),
  };
  return loaded;
}

function requireKoffi(): Koffi {
  const require = createRequire(import.meta.url);
  try {
    return require(`@koromix/koffi-${process.platform}-${process.arch}`) as Koffi;
  } catch {
    // Losing the error is safe: the general package says below what is wrong, and knows more places to look.
  }
  try {
    return require("koffi") as Koffi;
  } catch (error) {
    throw new GuardError(
      "ERR_PLATFORM_UNSUPPORTED",
      `Cannot load koffi for '${process.platform}-${process.arch}': ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Of two names for one number the first: EAGAIN and not EWOULDBLOCK, as libuv has it. */
const ERRNO_NAMES = new Map(
  Object.entries(constants.errno).reverse().map(([name, number]) => [number, name]),
);

/** `EACCES` for 13: what absent facts and messages carry. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno-${errno}`;
}

/** The code of a thrown system error, `EACCES`, or `error` where it carries none. */
export function errorCode(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "error";
}
