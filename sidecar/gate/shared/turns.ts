/** Requests whose outcome decides what becomes of the next one like them: one at a time, the others wait in order. */
export class Turns {
  readonly #waiting = new Map<string, (() => void)[]>();

  /** @param again Called when it is worth another try. @returns Whether it is the caller's turn: it must `end` it. */
  begin(key: string, again: () => void): boolean {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, []);
    else waiting.push(again);
    return waiting === undefined;
  }

  isTaken(key: string): boolean {
    return this.#waiting.has(key);
  }

  end(key: string): void {
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    // The first of them may take the turn again: the others then wait once more, in the same order.
    for (const again of waiting) again();
  }
}
