/**
 * Text from a log made harmless for a terminal.
 *
 * Names come from the wire. Raw, an ESC could repaint the lines above, a newline could fake a record, a bidi control
 * could turn a name around, a zero-width character could hide in one. So every control, format, surrogate, private and
 * unassigned character and every line or space separator other than the blank is written as `\u{…}`, and whatever has
 * a blank or a quote in it stands in quotes, since blanks part our columns. Letters of all scripts stay: that two of
 * them look alike is not seen here.
 */
export function visible(text: string): string {
  const escaped = text.replace(/[\p{C}\p{Z}\\]/gu, escapeCharacter);
  return escaped === "" || /[ "']/.test(escaped) ? `"${escaped.replaceAll('"', '\\"')}"` : escaped;
}

function escapeCharacter(character: string): string {
  if (character === " ") return " ";
  if (character === "\\") return "\\\\";
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}
