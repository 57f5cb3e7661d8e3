/** A text in which `*` stands for anything, also nothing; linear in what it is matched against. */
export function compileWildcard(pattern: string): (text: string) => boolean {
  const pieces = pattern.split("*");
  const first = pieces[0]!;
  if (pieces.length === 1) return (text) => text === first;
  const last = pieces.at(-1)!;
  const between = pieces.slice(1, -1).filter((piece) => piece !== "");
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) {
      return false;
    }
    let at = first.length;
    // The first place where each piece stands is the best one: it leaves the most to those behind it.
    for (const piece of between) {
      const found = text.indexOf(piece, at);
      if (found === -1) return false;
      at = found + piece.length;
    }
    return at <= text.length - last.length;
  };
}
