/** The place of one attack: a folder of the person's own, programs in it, doors to attack. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type * as uvu from "uvu";
import * as assert from "uvu/assert";
import { limited, skipUnless } from "../../harness.ts";
import { type Actor, type ActorOptions, start } from "./actor.ts";
import { admitting, type GuardedDoor, withGuardedDoor } from "./guarded-door.ts";
import { type NaiveDoor, withNaiveDoor } from "./naive-door.ts";
import { obstacle, PEOPLE, type Person } from "./people.ts";
import { compile, digest, type Program } from "./programs.ts";

export interface Lab {
  readonly person: Person;
  /** 0700 and the person's, like all that is in it. */
  readonly folder: string;
  /** Puts a file there, in a folder of its own where the name says so. @returns Its path. */
  put(name: string, content: string | Uint8Array, mode?: number): string;
  /** Puts a program there, under its own name or another. @returns Its path. */
  program(program: Program, name?: string): string;
  /** Runs a command as the person; it is killed when the lab closes, with all it started. */
  run(command: readonly string[], options?: Partial<ActorOptions>): Actor;
  /** Lends a socket that is guarded as guards do it today. */
  naively(use: (door: NaiveDoor) => Promise<void>): Promise<void>;
  /** Lends one that the real guard stands before. @param clients Who may connect. @default {the agent, by its digest} */
  guarded(use: (door: GuardedDoor) => Promise<void>, clients?: string): Promise<void>;
  /** The same, and it speaks HTTP. */
  guardedOverHttp(use: (door: GuardedDoor) => Promise<void>): Promise<void>;
  /** Shows that the real guard refuses whoever this starts, and why. @param because What the log says of the agent's entry. */
  refuses(assault: (path: string) => unknown, because: RegExp): Promise<void>;
}

export interface AttackOptions {
  /** Why it cannot be shown for this person; empty when it can. */
  readonly unless?: (person: Person) => string;
}

/** Adds the attack to the suite: once for whoever runs the tests, and beside root for an ordinary user as well. */
export function attack(
  suite: uvu.Test,
  title: string,
  body: (lab: Lab) => Promise<void>,
  { unless = () => "" }: AttackOptions = {},
): void {
  for (const person of PEOPLE) {
    suite(
      `${title}, as ${person.title}`,
      limited(60_000, async () => {
        const reason = obstacle(person) || unless(person);
        if (skipUnless(reason === "", reason)) return;
        await withLab(person, body);
      }),
    );
  }
}

export async function withLab<T>(person: Person, use: (lab: Lab) => Promise<T>): Promise<T> {
  // The run's own temp folder is root's alone: another user cannot pass through it.
  const above = person.prefix.length === 0 ? tmpdir() : "/tmp";
  const folder = realpathSync(mkdtempSync(join(above, "attack-")));
  chownSync(folder, person.uid, person.gid);
  const actors: Actor[] = [];
  try {
    return await use(open(person, folder, actors));
  } catch (error) {
    const said = actors.map((it) => it.stderr.trim()).filter((it) => it !== "").join("\n    ");
    if (error instanceof Error && said !== "") error.message += `\n    said meanwhile: ${said}`;
    throw error;
  } finally {
    for (const actor of actors) await actor.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function open(person: Person, folder: string, actors: Actor[]): Lab {
  let doors = 0;
  const put: Lab["put"] = (name, content, mode = 0o600) => {
    const path = join(folder, name);
    if (!existsSync(dirname(path))) {
      mkdirSync(dirname(path));
      own(person, dirname(path), 0o700);
    }
    writeFileSync(path, content);
    own(person, path, mode);
    return path;
  };
  const lab: Lab = {
    person,
    folder,
    put,
    program(program, name = program) {
      const path = join(folder, name);
      // It may be running: then nobody can write to it.
      if (existsSync(path) && readFileSync(path).equals(compile(program))) return path;
      return put(name, compile(program), 0o755);
    },
    run(command, options) {
      const actor = start(options?.person ?? person, command, { cwd: folder, ...options });
      actors.push(actor);
      return actor;
    },
    naively: (use) =>
      withNaiveDoor(join(folder, `naive-${++doors}.sock`), async (door) => {
        own(person, door.path, 0o600);
        await use(door);
      }),
    guarded: (use, clients = admitting(digest("agent"))) => withGuardedDoor(lab, clients, use),
    guardedOverHttp: (use) => withGuardedDoor(lab, admitting(digest("agent")), use, "unix+http"),
    refuses: (assault, because) =>
      lab.guarded(async (door) => {
        assault(door.path);
        const { reasons } = await door.turnedAway("ERR_PEER_REFUSED");
        assert.match(String((reasons as readonly unknown[])[0]), because);
        await door.neverReached(/initialize|injected/);
      }),
  };
  return lab;
}

function own({ uid, gid }: Person, path: string, mode: number): void {
  chownSync(path, uid, gid);
  chmodSync(path, mode);
}
