/**
 * Text that a process chose, as YAML that says no more than it.
 *
 * Double quotes with JSON's escapes, which YAML 1.2 reads alike, and an escape for every character that is not plainly
 * visible: the policy's parser refuses those, and a comment would end at a line separator.
 */
export function quotedText(text: string): string {
  return JSON.stringify(text).replace(/[^\P{C} ]|[\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (character) => {
    const code = character.codePointAt(0)!;
    return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
  });
}

/** The same as a value of a policy, where `$NAME` stands for a variable and `$$` for the sign. */
export function quotedValue(text: string): string {
  return quotedText(text.replaceAll("$", "$$$$"));
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
