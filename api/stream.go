package api

import (
	"context"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// sendTime is how long one message may take to a subscriber.
const sendTime = 10 * time.Second

// stream sends live messages until the subscriber leaves, falls behind or the
// hub closes. The first message is the status.
func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	sub, err := s.opt.Hub.subscribe()
	if err != nil {
		fail(w, http.StatusServiceUnavailable, "too many live streams are open: poll /api/v1/status or try again later")
		return
	}
	defer s.opt.Hub.leave(sub)
	// Accept answers 403 by itself when the page comes from another host.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: s.opt.Origins})
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(1 << 10)
	ctx := conn.CloseRead(r.Context()) // ends when the subscriber leaves or says anything
	if err := send(ctx, conn, encode(StatusMessage(s.opt.Status()))); err != nil {
		return
	}
	ping := time.NewTicker(s.opt.Ping)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case frame, ok := <-sub.frames:
			if !ok {
				_ = conn.Close(websocket.StatusTryAgainLater, "stream ended here: take a snapshot and connect again")
				return
			}
			err = send(ctx, conn, frame)
		case <-ping.C:
			err = alive(ctx, conn)
		}
		if err != nil {
			return
		}
	}
}

func encode(m Message) []byte {
	return append(append(append([]byte(`{"type":"`), m.Type...), `","data":`...), append(append([]byte{}, m.Data...), '}')...)
}

func send(ctx context.Context, conn *websocket.Conn, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, frame)
}

func alive(ctx context.Context, conn *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	return conn.Ping(ctx)
}
