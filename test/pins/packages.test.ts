import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ROOT } from "../tools/runtimes.ts";

const PACKAGES = ["", "test/external/packages/"];
const EXACT = /^(npm:[a-z0-9@/-]+@)?\d+\.\d+\.\d+(-alpha\.\d+)?$/;

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly integrity?: string }>>;
}

const read = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), "utf8"));

const packages = suite("packages");
for (const folder of PACKAGES) {
  packages(`${folder}package.json pins each package to one version`, () => {
    const { dependencies = {}, devDependencies = {} } = read(`${folder}package.json`) as Manifest;
    const all = Object.entries({ ...dependencies, ...devDependencies });
    assert.equal(all.filter(([, version]) => !EXACT.test(version)), []);
    assert.ok(all.length > 0);
  });

  packages(`${folder}package-lock.json names no host, and a digest for everything`, () => {
    const { packages: locked } = read(`${folder}package-lock.json`) as Lock;
    const installed = Object.entries(locked).filter(([path]) => path !== "");
    assert.equal(installed.filter(([, it]) => it.resolved !== undefined).map(([path]) => path), []);
    assert.equal(installed.filter(([, it]) => it.integrity === undefined).map(([path]) => path), []);
    assert.ok(installed.length > 0);
  });
}

packages("what is installed with us is koffi, and nothing else", () => {
  assert.equal(Object.keys((read("package.json") as Manifest).dependencies ?? {}), ["koffi"]);
});
packages.run();
