package opcua

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/telltale-iot/telltale/asset"
)

// notification has values by client handle, the highest handle first.
func notification(values ...map[uint32]*ua.DataValue) *ua.DataChangeNotification {
	n := &ua.DataChangeNotification{}
	for _, m := range values {
		for handle, v := range m {
			n.MonitoredItems = append(n.MonitoredItems, &ua.MonitoredItemNotification{ClientHandle: handle, Value: v})
		}
	}
	slices.SortStableFunc(n.MonitoredItems, func(a, b *ua.MonitoredItemNotification) int { return int(b.ClientHandle) - int(a.ClientHandle) })
	return n
}

// taken is a value of x that its source took that many seconds after the start.
func taken(x any, second int) *ua.DataValue {
	return &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(x), SourceTimestamp: start.Add(time.Duration(second) * time.Second)}
}

var start = time.Unix(1e9, 0).UTC()

// heard is a reader of metrics m0, m1 of asset a and m2 of b, and what it passed on, as text.
func heard(t *testing.T) (*reader, *[]string) {
	t.Helper()
	var got []string
	s := Server{Endpoint: "opc.tcp://h:1", Security: "None/None"}
	for i, id := range []asset.ID{"a", "a", "b"} {
		s.Nodes = append(s.Nodes, Node{ID: fmt.Sprintf("i=%d", i+1), Asset: id, Metric: fmt.Sprintf("m%d", i), Unit: "1"})
	}
	r, err := newReader(s.withDefaults(), func(x asset.Reading) bool {
		text := fmt.Sprintf("%s@%d", x.Asset, int(x.Time.Sub(start).Seconds()))
		if x.Event != nil {
			text += " gap: " + x.Event.Text
		}
		for _, p := range x.Points {
			text += fmt.Sprintf(" %s=%g", p.Metric, p.Value)
		}
		got = append(got, text)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, &got
}

func TestValuesOfANotificationComeInOrderOfTheirTime(t *testing.T) {
	r, got := heard(t)
	var all []map[uint32]*ua.DataValue
	for second := range 3 { // as servers have it: node by node
		v := map[uint32]*ua.DataValue{}
		for handle := range uint32(3) {
			v[handle] = taken(float64(10*second)+float64(handle), second)
		}
		all = append(all, v)
	}
	if err := r.hear(notification(all...)); err != nil {
		t.Fatal(err)
	}
	want := []string{"b@0 m2=2", "a@0 m1=1 m0=0", "b@1 m2=12", "a@1 m1=11 m0=10", "b@2 m2=22", "a@2 m1=21 m0=20"}
	if !slices.Equal(*got, want) {
		t.Errorf("passed on %q, want %q", *got, want)
	}
}

func TestAGapIsInTheTimeOfTheSource(t *testing.T) {
	r, got := heard(t)
	if err := r.hear(notification(map[uint32]*ua.DataValue{0: taken(1.0, 0), 1: taken(1.0, 5), 2: taken(1.0, 2)})); err != nil {
		t.Fatal(err)
	}
	r.why = errors.New("cut")
	if err := r.recovered(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	// The source's clock is decades behind ours; b has nothing new until later.
	if err := r.hear(notification(map[uint32]*ua.DataValue{0: taken(2.0, 9), 1: taken(1.0, 5), 2: taken(1.0, 2)})); err != nil {
		t.Fatal(err)
	}
	if err := r.hear(notification(map[uint32]*ua.DataValue{1: taken(3.0, 10), 2: taken(3.0, 11)})); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a@0 m0=1", "b@2 m2=1", "a@5 m1=1",
		"a@9 gap: nothing from 2001-09-09T01:46:45Z to 2001-09-09T01:46:49Z: cut", "a@9 m0=2",
		"a@10 m1=3", "b@11 m2=3", // nothing of b was missed: its value is the one from before
	}
	if !slices.Equal(*got, want) {
		t.Errorf("passed on\n%s\nwant\n%s", strings.Join(*got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSamplesAreScaled(t *testing.T) {
	var waves []asset.Waveform
	s := Server{Endpoint: "opc.tcp://h:1", Security: "None/None", Nodes: []Node{
		{ID: "i=1", Asset: "a", Channel: "counts", RateHz: 10, Scale: 0.5, Unit: "g"},
		{ID: "i=2", Asset: "a", Channel: "floats", RateHz: 10, Scale: 0.5, Unit: "g"},
		{ID: "i=3", Asset: "a", Channel: "plain", RateHz: 10, Unit: "g"},
	}}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := newReader(s.withDefaults(), func(x asset.Reading) bool { waves = append(waves, *x.Wave); return true })
	if err != nil {
		t.Fatal(err)
	}
	if err := r.hear(notification(map[uint32]*ua.DataValue{0: taken([]int16{2, 4}, 1), 1: taken([]float32{2, 4}, 2), 2: taken([]float64{2, 4}, 3)})); err != nil {
		t.Fatal(err)
	}
	if len(waves) != 3 || waves[0].Counts[1] != 4 || waves[0].Scale != 0.5 || waves[1].Samples[1] != 2 || waves[2].Samples[1] != 4 {
		t.Errorf("waves %+v", waves)
	}
}
