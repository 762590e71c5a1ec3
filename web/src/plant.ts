// The plant's own clock: event time as the stream last told it.

let at = 0

/** plantNow is the newest event time in ms; before the first word of it, the wall clock. */
export const plantNow = (): number => at || Date.now()

export const tellTime = (iso: string | undefined): void => {
  const t = iso ? Date.parse(iso) : NaN
  if (Number.isFinite(t)) at = t
}
