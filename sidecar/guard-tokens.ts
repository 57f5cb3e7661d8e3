/**
 * Tokens and the one-time secret of one guard: made before anybody can come in, and gone with it.
 */
import type { TokenSection } from "../policy/mod.ts";
import type { AccessTerms } from "./gate/access/session-access.ts";
import type { Session } from "./gate/session.ts";
import { monotonicMs } from "./platform/monotonic.ts";
import type { Platform } from "./platform/platform.ts";
import type { BootstrapPlace, BootstrapSecret } from "./tokens/bootstrap-secret.ts";
import type { TokenIssuer } from "./tokens/issuer.ts";

export interface GuardTokensOptions {
  readonly section: TokenSection;
  /** The server's name: the tokens' audience. */
  readonly name: string;
  readonly trustDomain: string;
  readonly policyDigest: string;
  readonly platform: Platform;
  readonly notice: (text: string) => void;
}

/** Something that tokens count for, and that ends: a session, or what a peer of the HTTP doors was given. */
export type Life = Pick<Session, "end"> & {
  readonly ended: Promise<unknown>;
  /** Ends it, should the policy that was loaded just now not leave it be. @default {somebody else sees to that} */
  readonly reconsider?: () => void;
};

type Made = Pick<AccessTerms, "issuer" | "secret" | "serverSecret">;

export class GuardTokens {
  readonly #options: GuardTokensOptions;
  /** Undefined: no token is issued. */
  readonly issuer: TokenIssuer | undefined;
  readonly #made: Made;
  /** Whose tokens count, by what tokens call them. */
  readonly #lives = new Map<string, { readonly life: Life; readonly under: string | undefined }>();

  /**
   * @returns Undefined where the policy speaks neither of tokens nor of the secret: nothing is loaded then.
   * @throws {GuardError} For a key that cannot be used, and a secret that cannot be put where it should be.
   */
  static async open(options: GuardTokensOptions): Promise<GuardTokens | undefined> {
    const { issue, needsSecret, identityToServer, serverSecretFile } = options.section;
    const asked = issue !== "none" || needsSecret || identityToServer !== "none" ||
      serverSecretFile !== undefined;
    if (!asked) return undefined;
    return new GuardTokens(options, {
      issuer: issue === "none" ? undefined : await openIssuer(options),
      secret: needsSecret ? await makeSecret(options) : undefined,
      serverSecret: serverSecretFile === undefined ? undefined : await secretReader(serverSecretFile),
    });
  }

  private constructor(options: GuardTokensOptions, made: Made) {
    const { secret } = made;
    this.#options = options;
    this.issuer = made.issuer;
    this.#made = made;
    // However the guard ends, short of a kill, nothing of it stays behind.
    if (secret !== undefined) process.on("exit", () => secret.close());
  }

  /** What the policy said of tokens when the guard was started. */
  get section(): TokenSection {
    return this.#options.section;
  }

  /** What each session gets of it. */
  get terms(): AccessTerms {
    return {
      section: this.#options.section,
      ...this.#made,
      stolen: (earnedBy) => {
        this.#options.notice("The one-time secret was shown twice: the session that it earned is ended");
        for (const [id, { life, under }] of this.#lives) {
          if (id === earnedBy || under === earnedBy) life.end("bootstrap-stolen");
        }
      },
    };
  }

  /**
   * A session is beginning: it is found by its id until it has ended.
   *
   * @param under What it ends with, should the secret have been stolen.
   */
  add(id: string, life: Life, under?: string): void {
    this.#lives.set(id, { life, under });
    void life.ended.then(() => this.#lives.delete(id));
  }

  /** Another policy was loaded. Sessions that it lets live keep their tokens; what it says of tokens itself counts later. */
  adopt(section: TokenSection, digest: string): void {
    for (const { life } of this.#lives.values()) life.reconsider?.();
    this.issuer?.adoptPolicy(digest, this.#lives.keys());
    if (JSON.stringify(section) !== JSON.stringify(this.#options.section)) {
      this.#options.notice(
        "What the policy says of tokens has changed: it counts when the guard is started anew",
      );
    }
  }
}

async function openIssuer(
  { section, name, trustDomain, policyDigest }: GuardTokensOptions,
): Promise<TokenIssuer> {
  const { TokenIssuer } = await import("./tokens/issuer.ts");
  return await TokenIssuer.open({
    audience: name,
    trustDomain,
    policyDigest,
    ttlMs: section.ttlMs,
    keyPem: section.keyFile === undefined ? undefined : await readKey(section.keyFile),
  });
}

async function readKey(path: string): Promise<Uint8Array> {
  const { readSafely } = await import("./config/safe-file.ts");
  return readSafely(path, "signing key");
}

/** The server may write it when it starts, so it is read for each call. */
async function secretReader(path: string): Promise<() => string> {
  const { readSecretFiles } = await import("./config/secret-files.ts");
  return () => readSecretFiles({ bootstrap_secret: path })["bootstrap_secret"]!;
}

async function makeSecret(options: GuardTokensOptions): Promise<BootstrapSecret> {
  const [{ BootstrapSecret }, places] = await Promise.all([
    import("./tokens/bootstrap-secret.ts"),
    import("./tokens/bootstrap-place.ts"),
  ]);
  const { section: { bootstrap }, platform, name, notice } = options;
  const put = (text: string): BootstrapPlace => {
    if (bootstrap !== undefined && "fd" in bootstrap) {
      return places.putInDescriptor(platform, bootstrap.fd, text);
    }
    const path = bootstrap?.file ?? places.defaultBootstrapFile(name, process.env);
    const place = places.putInFile(path, text);
    notice(`The one-time secret is in ${path}`);
    return place;
  };
  return new BootstrapSecret(put, monotonicMs);
}
