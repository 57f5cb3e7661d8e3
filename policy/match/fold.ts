/**
 * Keys that a lax parser takes for one another: some match them without regard to case, some cut them at a NUL
 * (CVE-2026-27896, GHSA-q382-vc8q-7jhj).
 */

const ASCII = /^[\x01-\x7f]*$/;

/**
 * What the laxest parsers we know make of a key: cut at a NUL; case removed as Unicode's simple folding does it (Go: `ſ`
 * is `s`, the Kelvin sign is `k`) and as Java does it (`İ` and `ı` are `i`); composed (Swift's strings are equal when
 * their canonical forms are).
 */
export function foldKey(key: string): string {
  if (ASCII.test(key)) return key.toLowerCase();
  const nul = key.indexOf("\0");
  const text = (nul < 0 ? key : key.slice(0, nul)).replaceAll("\u0130", "i");
  return text.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");
}

/** Whether another key of the object would be read as this one, in its place or beside it. */
export function hasLookAlike(object: object, key: string): boolean {
  let folded: string | undefined;
  for (const other in object) {
    if (other === key) continue;
    folded ??= foldKey(key);
    if (foldKey(other) === folded) return true;
  }
  return false;
}
