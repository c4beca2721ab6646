/** What JSON leaves as it is and a terminal would obey or hide: C1 controls, direction marks, separators, tags. */
const OBEYED_BY_TERMINALS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Most JSON is printable ASCII throughout, of which this is sure many times faster than the sets of Unicode. */
const BEYOND_ASCII = /[^ -~]/;

/** JSON on one line that is safe to show. */
export function safeJson(value: unknown): string {
  return safeJsonText(JSON.stringify(value));
}

/** The same JSON, safe to show: those characters occur in strings only, where `\uXXXX` means the same. */
export function safeJsonText(json: string): string {
  if (!BEYOND_ASCII.test(json)) return json;
  return json.replace(OBEYED_BY_TERMINALS, (characters) =>
    [...Array(characters.length).keys()]
      .map((i) => `\\u${characters.charCodeAt(i).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
