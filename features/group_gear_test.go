package features

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
)

func asSpeed(start time.Time, at, rpm float64) asset.SpeedAt {
	return asset.SpeedAt{Time: start.Add(time.Duration(at * 1e9)), Rpm: rpm}
}

// meshing is a wheel at hz with its mesh of amplitudes 2, 1 and ½, sidebands of 0.1
// beside the first, noise, and a strike of a height once a turn.
func meshing(n int, rate, hz float64, teeth int, strike float64, seed uint64) []float32 {
	turn := 0.0
	return meshingAt(n, rate, teeth, strike, seed, func() float64 { turn += hz / rate; return turn - hz/rate })
}

func meshingAt(n int, rate float64, teeth int, strike float64, seed uint64, turn func() float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 4))
	x := make([]float32, n)
	z := float64(teeth)
	for i := range x {
		p := 2 * math.Pi * turn()
		v := 2*math.Cos(z*p) + math.Cos(2*z*p+1) + 0.5*math.Cos(3*z*p+2) + 0.1*math.Cos((z-1)*p) + 0.1*math.Cos((z+1)*p)
		v += strike * math.Exp(-200*math.Pow(math.Mod(p/(2*math.Pi), 1)-0.5, 2)*z*z/40) * math.Cos(math.Round(1.5*z)*p)
		x[i] = float32(v + 0.2*rng.NormFloat64())
	}
	return x
}

func TestGearGroupOfAKnownMesh(t *testing.T) {
	plate := groupPlate()
	const n = 102400 // 4 s
	for name, rpm := range map[string]float64{"exact speed": 1500, "speed off by 0.3 %": 1504.5, "by −0.4 %": 1494} {
		t.Run(name, func(t *testing.T) {
			e := NewExtractor(ExtractorOptions{}, plate, nil)
			v := extracted(t, e, groupWindow(plate, "gear", 0, meshing(n, 25600, 25, 21, 0, 1), rpm))
			wantNear(t, v, "mesh_rms", math.Sqrt((4+1+0.25)/2), 0.02)
			wantNear(t, v, "sideband_index", 0.05, 0.1)
			wantNear(t, v, "sideband_level", 0.2/math.Sqrt((4+1+0.25+0.02)/2), 0.1)
			if fm4, _ := value(t, v, "fm4"); !(fm4 > 2 && fm4 < 4) {
				t.Errorf("fm4 of a wheel that is well = %g", fm4)
			}
			hurt := extracted(t, e, groupWindow(plate, "gear", 4, meshing(n, 25600, 25, 21, 2, 1), rpm))
			if fm4, _ := value(t, hurt, "fm4"); !(fm4 > 7) {
				t.Errorf("fm4 of a cracked tooth = %g, want above 7", fm4)
			}
			before, _ := value(t, v, "na4")
			after, _ := value(t, hurt, "na4")
			if !(after > 3*before) {
				t.Errorf("na4 goes from %g to %g", before, after)
			}
		})
	}
}

// With pulses of the shaft a speed that moves changes nothing.
func TestGearGroupThroughASpeedChange(t *testing.T) {
	plate := groupPlate()
	plate.Channels = append(plate.Channels, asset.Channel{Name: "tacho", Kind: "tacho", Unit: "V", RateHz: 25600})
	const n = 102400
	phase := func(i int) float64 { s := float64(i) / 25600; return 25*s + 0.2*s*s }
	i := 0
	x := meshingAt(n, 25600, 21, 0, 1, func() float64 { i++; return phase(i - 1) })
	pulse := make([]float32, n)
	for i := range pulse {
		pulse[i] = float32(math.Tanh(20 * (math.Cos(2*math.Pi*phase(i)) - 0.5)))
	}
	for _, from := range []string{"tacho", "readings"} {
		e := NewExtractor(ExtractorOptions{}, plate, nil)
		w := groupWindow(plate, "gear", 0, x, 1500)
		if from == "tacho" {
			extracted(t, e, groupWindow(plate, "tacho", 0, pulse, 1500))
		} else {
			for k := range 9 {
				at := float64(k) / 2
				w.Speeds = append(w.Speeds, asSpeed(w.Start, at, 60*(25+0.4*at)))
			}
		}
		v := extracted(t, e, w)
		wantNear(t, v, "mesh_rms", math.Sqrt((4+1+0.25)/2), 0.05)
		wantNear(t, v, "sideband_index", 0.05, 0.2)
	}
}

// Readings that scatter by a thousandth lose the angle; the mesh still tells it.
func TestGearGroupOfReadingsThatScatter(t *testing.T) {
	plate := groupPlate()
	rng := rand.New(rand.NewPCG(3, 3))
	w := groupWindow(plate, "gear", 0, meshing(256000, 25600, 25, 21, 0, 1), 1500)
	for k := range 11 {
		w.Speeds = append(w.Speeds, asSpeed(w.Start, float64(k), 1500*(1+0.001*rng.NormFloat64())))
	}
	v := extracted(t, NewExtractor(ExtractorOptions{}, plate, nil), w)
	wantNear(t, v, "mesh_rms", math.Sqrt((4+1+0.25)/2), 0.02)
	wantNear(t, v, "sideband_index", 0.05, 0.1)
}

func TestGearGroupNamesShaftsAndStages(t *testing.T) {
	plate := groupPlate()
	plate.Kinematics.Shafts = []asset.Shaft{{Name: "lss", Ratio: 1}, {Name: "ims", Ratio: 4}, {Name: "hss", Ratio: 16}}
	plate.Kinematics.Gears = []asset.Gear{{Shaft: "ims", Teeth: 80}, {Shaft: "ims", Teeth: 23}, {Shaft: "hss", Teeth: 20}}
	plate.Kinematics.Planetary = []asset.Planetary{{Ring: 90, Sun: 30, Planet: 30, Planets: 3}}
	const rate, n = 25600.0, 512000 // 20 s at 1 Hz
	lines := [][3]float64{{90, 1, 0}, {87, 0.2, 1}, {93, 0.3, 2}, {80 * 4, 0.7, 0}, {23 * 4, 0.4, 1}}
	v := extracted(t, NewExtractor(ExtractorOptions{}, plate, nil), groupWindow(plate, "gear", 0, tones(n, rate, 0.05, 1, lines...), 60))
	wantNear(t, v, "mesh_rms_planetary_1", 1/math.Sqrt2, 0.01)
	wantNear(t, v, "sideband_index_planetary_1", 0.25, 0.03)
	wantNear(t, v, "mesh_rms_ims_80", 0.7/math.Sqrt2, 0.03)
	wantNear(t, v, "mesh_rms_hss", 0.7/math.Sqrt2, 0.03) // the same mesh, seen by the other wheel
	for _, f := range v.Fields {
		if f.Name == "fm4" || strings.Contains(f.Name, "lss") {
			t.Errorf("field %s", f.Name)
		}
	}
}

func TestGearGroupWhenItCannot(t *testing.T) {
	plate := groupPlate()
	plate.Kinematics.Planetary = []asset.Planetary{{Ring: 90, Sun: 30, Planet: 30, Planets: 3}}
	all := []string{"mesh_rms_hss", "fm0_hss", "fm4_hss", "na4_hss", "sideband_index_hss", "sideband_level_hss", "residual_rms_hss", "difference_rms_hss", "mesh_rms_planetary_1", "sideband_index_planetary_1"}
	x := meshing(102400, 25600, 25, 21, 0, 1)
	get := func(x []float32, rpm float64) Vector {
		return extracted(t, NewExtractor(ExtractorOptions{}, plate, nil), groupWindow(plate, "gear", 0, x, rpm))
	}
	wantMissing(t, get(x, math.NaN()), ReasonNoSpeed, all...)
	wantMissing(t, get(x, 0), ReasonStandstill, all...)
	wantMissing(t, get(x[:9000], 1500), ReasonShort, all...) // nine turns
	wantMissing(t, get(x, 60000), ReasonAlias, all...)
	wantMissing(t, get(tones(102400, 25600, 1, 1), 1500), ReasonIncoherent, all[:8]...)
}
