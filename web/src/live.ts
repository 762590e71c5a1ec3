import type { Message } from "./api"

/**
 * live follows the stream and connects again when it ends: after 0.5 s, then
 * twice as long each time up to 15 s. back is called when a stream follows a
 * broken one, so that the caller takes a snapshot.
 */
export function live(on: { message(m: Message): void; state(up: boolean): void; back(): void }): void {
  let wait = 500, ever = false
  const connect = () => {
    const ws = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/stream`)
    ws.onopen = () => {
      wait = 500
      on.state(true)
      if (ever) on.back()
      ever = true
    }
    ws.onmessage = e => on.message(JSON.parse(e.data as string) as Message)
    ws.onclose = () => {
      on.state(false)
      window.setTimeout(connect, wait * (0.75 + Math.random() / 2))
      wait = Math.min(2 * wait, 15000)
    }
  }
  connect()
}
