package sparkplug

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

func TestABirthDefinesAndDataComeByAlias(t *testing.T) {
	p := open(t, options())
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(7), tree{"name": "Load", "alias": uint64(1), "timestamp": p.ms(), "datatype": uint32(doubleKind), "double_value": 10.0, "properties": tree{"keys": []any{"engUnit"}, "values": []any{tree{"type": uint32(stringKind), "string_value": "kN"}}}})
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, p.double("Gearbox/OilTemp", 2, 50), p.double("Power", 3, 900), p.double("Other", 4, 1))
	p.want("station status online", "station Load=10 kN", "WT01 status online", "WT01 gearbox_oil_c=50 °C, Power=900 1")
	p.pass(time.Second)
	p.hear("spBv1.0/farm/DDATA/e1/wt01", 2, p.again(3, 905), p.again(2, 50.5))
	p.hear("spBv1.0/farm/NDATA/e1", 3, p.again(1, 11))
	readings := p.want("WT01 Power=905 1, gearbox_oil_c=50.5 °C", "station Load=11 kN")
	if want := p.now.Add(-3 * time.Second); !readings[0].Time.Equal(want) || readings[0].Points[0].Quality != 100 {
		t.Errorf("%+v, want the sender's time %s and quality 100", readings[0], want)
	}
	if _, published := p.look(); len(published) > 0 {
		t.Errorf("published %v for nothing", published)
	}
}

func TestValuesOfSeveralInstantsComeInOrderOfTime(t *testing.T) {
	p := open(t, options())
	p.bear(0)
	at := func(alias uint64, v float64, before time.Duration) tree {
		m := p.again(alias, v)
		m["timestamp"] = p.ms() - uint64(before.Milliseconds())
		return m
	}
	old := at(2, 47, 3*time.Second)
	old["is_historical"] = true
	p.hear("spBv1.0/farm/DDATA/e1/wt01", 2, at(2, 49, time.Second), at(3, 800, 2*time.Second), at(2, 48, 2*time.Second), old)
	p.want("WT01 gearbox_oil_c=47 °C", "WT01 Power=800 1, gearbox_oil_c=48 °C", "WT01 gearbox_oil_c=49 °C")
}

func TestAnArrayIsARecordThatEndsAtItsTimestamp(t *testing.T) {
	p := open(t, options())
	p.bear(0)
	raw := make([]byte, 2*1500)
	for i := range 1500 {
		binary.LittleEndian.PutUint16(raw[2*i:], uint16(int16(-2*i)))
	}
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 2, tree{"name": "Vib/Raw", "alias": uint64(9), "datatype": uint32(int16Array), "is_null": true})
	p.look()
	p.hear("spBv1.0/farm/DDATA/e1/wt01", 3, tree{"alias": uint64(9), "timestamp": p.ms(), "bytes_value": raw})
	readings := p.want("WT01 hss×1000", "WT01 hss×500")
	first, last := readings[0].Wave, readings[1].Wave
	if first.Counts[1] != -2 || first.Counts[999] != -1998 || last.Counts[499] != -2998 || first.Scale != 0.5 || first.Unit != "m/s²" || first.RateHz != 1000 || !first.First || first.Last || last.First || !last.Last {
		t.Errorf("blocks %+v and %+v", *first, *last)
	}
	if want := time.UnixMilli(int64(p.ms())).UTC(); !readings[1].Time.Equal(want) || !first.Start.Equal(want.Add(-1499*time.Millisecond)) {
		t.Errorf("from %s to %s, want 1.499 s up to %s", first.Start, readings[1].Time, want)
	}
}

func TestOnlyWhatIsCurrentIsAValue(t *testing.T) {
	p := open(t, options())
	p.bear(0)
	quality := func(code uint32) tree {
		return tree{"keys": []any{"other", "Quality"}, "values": []any{tree{"type": uint32(int32Kind), "int_value": uint32(1)}, tree{"type": uint32(int32Kind), "int_value": code}}}
	}
	for i, c := range []struct {
		code  uint32
		wants float64 // quality, below 0 for no value
	}{{0, -1}, {192, 100}, {500, -1}, {64, 50}, {216, 100}} {
		m := p.again(3, 1)
		m["timestamp"] = p.ms() + uint64(i)
		m["properties"] = quality(c.code)
		p.hear("spBv1.0/farm/DDATA/e1/wt01", 2+i, m)
		readings, _ := p.look()
		if got := len(readings) == 1; got != (c.wants >= 0) || got && readings[0].Points[0].Quality != c.wants {
			t.Errorf("code %d gives %+v, want quality %g", c.code, readings, c.wants)
		}
	}
	p.hear("spBv1.0/farm/DDATA/e1/wt01", 7, tree{"alias": uint64(3), "timestamp": p.ms(), "is_null": true}, tree{"alias": uint64(2), "timestamp": p.ms(), "string_value": "hot"})
	p.want()
	if s := p.status("e1"); s.Stale != 2 || s.Unread != 1 {
		t.Errorf("%d stale and %d unread, want 2 and 1", s.Stale, s.Unread)
	}
}

func TestALossIsAGapAndTheNodeIsBornAgain(t *testing.T) {
	p := open(t, options())
	p.bear(4)
	before := p.now.Add(-3 * time.Second)
	p.pass(time.Second)
	p.hear("spBv1.0/farm/DDATA/e1/wt01", 4, p.again(3, 910), p.named("Gearbox/OilTemp", 51)) // 2 and 3 are lost
	p.want()
	p.pass(2 * time.Second)
	readings, published := p.look()
	if got := told(readings); !slices.Equal(got, []string{"WT01 gap", "WT01 gearbox_oil_c=51 °C"}) {
		t.Errorf("after the loss came %q: want the gap, what has its name, and nothing that has an alias", got)
	}
	if got := rebirths(published); !slices.Equal(got, []string{"e1"}) {
		t.Errorf("asked %v", got)
	}
	if gap := readings[0]; !strings.Contains(gap.Event.Text, "nothing from "+before.Add(-older).Format(time.RFC3339)) || !strings.Contains(gap.Event.Text, "2 messages of the edge node were lost") {
		t.Errorf("gap %q", gap.Event.Text)
	}
	if s := p.status("e1"); !s.Doubt || !s.Waiting || s.Losses != 1 || s.LostMessages != 2 || s.State != Online {
		t.Errorf("status %+v", s)
	}
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(4), p.double("Load", 2, 12)) // aliases are given anew
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, p.double("Power", 1, 920))
	p.hear("spBv1.0/farm/DDATA/e1/wt01", 2, tree{"alias": uint64(1), "timestamp": p.ms() + 1, "double_value": 921.0})
	p.want("station gap", "station Load=12 1", "WT01 gap", "WT01 Power=920 1", "WT01 Power=921 1")
	if s := p.status("e1"); s.Doubt || s.Waiting || s.Births != 2 {
		t.Errorf("status %+v", s)
	}
}

func TestABirthSaysNothingTwice(t *testing.T) {
	p := open(t, options())
	p.bear(4)
	load, oil := p.double("Load", 1, 10), p.double("Gearbox/OilTemp", 2, 50)
	p.pass(time.Minute)
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(4), load)
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, oil, p.double("Power", 3, 1000))
	p.want("WT01 Power=1000 1")
}

func TestADeathOfAnotherSessionIsIgnored(t *testing.T) {
	p := open(t, options())
	p.bear(5)
	p.hear("spBv1.0/farm/NDEATH/e1", -1, p.bdSeq(4))
	p.want()
	if s := p.status("e1"); s.State != Online || s.StaleDeaths != 1 {
		t.Errorf("status %+v", s)
	}
	if err := p.hearRaw("spBv1.0/farm/NDEATH/e1", p.message(-1)); err == nil {
		t.Error("a death that names no session is accepted")
	}
	p.pass(time.Second)
	p.hear("spBv1.0/farm/NDEATH/e1", -1, p.bdSeq(5))
	for _, r := range p.want("station status offline", "WT01 status offline") {
		if !r.Time.Equal(p.now) {
			t.Errorf("offline at %s, want our time %s: a will was written long ago", r.Time, p.now)
		}
	}
	p.pass(time.Minute)
	p.bearAfterDeath()
}

func (p *plant) bearAfterDeath() {
	p.Helper()
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(6), p.double("Load", 1, 10))
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, p.double("Power", 3, 900))
	readings := p.want("station gap", "station status online", "station Load=10 1", "WT01 gap", "WT01 status online", "WT01 Power=900 1")
	if want := p.now.Add(-3 * time.Second); !readings[0].Time.Equal(want) {
		p.Errorf("the gap ends at %s, want the birth at %s", readings[0].Time, want)
	}
}

func TestANewSessionWithoutADeathIsAGap(t *testing.T) {
	p := open(t, options())
	p.bear(5)
	p.pass(time.Minute)
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(6), p.double("Load", 1, 11))
	p.want("station gap", "station Load=11 1")
}

func TestADeviceThatIsNotBornAgainIsOffline(t *testing.T) {
	p := open(t, options())
	p.bear(5)
	p.pass(time.Minute)
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(5))
	p.pass(9 * time.Second)
	p.want()
	p.pass(2 * time.Second)
	p.want("WT01 status offline")
	if got := p.status("e1").Devices["wt01"]; got != Offline {
		t.Errorf("wt01 is %s", got)
	}
}

func TestALostConnectionOfOursIsAGapForEveryAsset(t *testing.T) {
	p := open(t, both())
	p.bear(5)
	p.hear("spBv1.0/farm/NBIRTH/e2", 0, p.bdSeq(1), p.double("x", 1, 1))
	p.look()
	p.host.Lost(p.now)
	if s := p.status("e1"); s.State != Unknown || s.Devices["wt01"] != Unknown {
		t.Errorf("status %+v", s)
	}
	p.pass(time.Minute)
	if _, published := p.look(); len(published) > 0 {
		t.Errorf("published %v without a connection", published)
	}
	p.host.Will(p.now)
	p.host.Birth(p.now)
	p.hear("spBv1.0/farm/DDATA/e1/wt01", 17, p.again(3, 1)) // of before, nobody knows
	p.pass(3 * time.Second)
	readings, published := p.look()
	if got := rebirths(published); len(readings) > 0 || !slices.Equal(got, []string{"e1", "e2"}) {
		t.Errorf("read %q, asked %v, want nothing and both", told(readings), got)
	}
	p.hear("spBv1.0/farm/NBIRTH/e1", 0, p.bdSeq(5), p.double("Load", 1, 12))
	p.hear("spBv1.0/farm/DBIRTH/e1/wt01", 1, p.double("Power", 3, 950))
	p.want("station gap", "station Load=12 1", "WT01 gap", "WT01 Power=950 1") // it was online all the time
	p.pass(time.Minute)
	p.want("WT02 status offline") // it does not answer
	if got := p.status("e2"); got.State != Offline || got.Rebirths != mostUnheard {
		t.Errorf("status %+v", got)
	}
}

func TestRebirthIsAskedForWithBackOff(t *testing.T) {
	p := open(t, options())
	p.bear(5)
	seq := 10
	var asked []time.Duration
	for begun := p.now; p.now.Sub(begun) < 10*time.Minute; {
		p.hear("spBv1.0/farm/NDATA/e1", seq%256, p.again(1, float64(seq)))
		seq++
		p.pass(time.Second)
		_, published := p.look()
		for range rebirths(published) {
			asked = append(asked, p.now.Sub(begun).Round(time.Second))
		}
	}
	want := []time.Duration{2, 7, 17, 37, 77, 157, 277, 397, 517}
	if len(asked) != len(want) {
		t.Fatalf("asked after %v, want %v s", asked, want)
	}
	for i, w := range want {
		if d := asked[i] - w*time.Second; d < 0 || d > time.Second {
			t.Errorf("asked after %s, want %d s", asked[i], w)
		}
	}
}

func TestSendersThatNobodyBindsAreNamed(t *testing.T) {
	p := open(t, options())
	for i := range 200 {
		p.hear(fmt.Sprintf("spBv1.0/farm/NDATA/x%d", i), 0)
	}
	p.hear("spBv1.0/farm/NDATA/x0", 1)
	p.bear(0)
	p.hear("spBv1.0/farm/DBIRTH/e1/unbound", 2)
	p.want()
	if s := p.host.Status(); len(s.Unbound) != mostUnbound || s.Unbound["farm/x0"] != 2 || len(s.Nodes) != 1 {
		t.Errorf("%d unbound, x0 %d times, %d nodes", len(s.Unbound), s.Unbound["farm/x0"], len(s.Nodes))
	}
	p.hear("spBv1.0/farm/DDATA/e1/unbound", 3, p.again(77, 1)) // counts, and is nobody's business
	p.hear("spBv1.0/farm/NDATA/e1", 4, p.again(1, 5))
	p.want("station Load=5 1")
}

func TestACompressedPayloadIsReadWithinLimits(t *testing.T) {
	p := open(t, options())
	p.bear(0)
	deflate := func(b []byte) []byte {
		var out bytes.Buffer
		w := zlib.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
		return out.Bytes()
	}
	pack := func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
		return out.Bytes()
	}
	wrap := func(body []byte) []byte {
		return marshal(t, tree{"uuid": compressed, "body": body, "metrics": []any{tree{"name": "algorithm", "datatype": uint32(stringKind), "string_value": "DEFLATE"}}})
	}
	for i, squeeze := range []func([]byte) []byte{deflate, pack} {
		p.now = p.now.Add(time.Millisecond)
		if err := p.hearRaw("spBv1.0/farm/NDATA/e1", wrap(squeeze(p.message(2+i, p.again(1, float64(7+i)))))); err != nil {
			t.Fatal(err)
		}
	}
	p.want("station Load=7 1", "station Load=8 1")
	for name, body := range map[string][]byte{
		"a bomb":            deflate(marshal(t, tree{"seq": uint64(4), "body": make([]byte, 4<<20)})),
		"no compression":    []byte("abc"),
		"cut off":           deflate(p.message(4))[:10],
		"twice":             deflate(wrap(deflate(p.message(4)))),
		"no payload within": deflate([]byte{0xff}),
	} {
		if err := p.hearRaw("spBv1.0/farm/NDATA/e1", wrap(body)); !errors.Is(err, asset.ErrInvalid) {
			t.Errorf("%s gives %v", name, err)
		}
	}
}
