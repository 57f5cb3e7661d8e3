/** Digests of files, computed off the main thread. */
export interface Digests {
  fileDigest(path: string | number, options?: { readonly running?: boolean }): Promise<string>;
  close(): void;
}
