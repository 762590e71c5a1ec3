package physics

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestReferenceDriveTrainROM(t *testing.T) {
	r, beams := readReference(t, "drivetrain_rom"), readReference(t, "fe_beam")
	var blade beamCase
	decode(t, beams.Cases[0].Inputs, &blade)
	for _, c := range r.Cases {
		var in struct {
			Rotor  float64 `json:"J_rotor"`
			Gen    float64 `json:"J_gen_hss"`
			Gear   float64 `json:"gear_ratio"`
			K      float64 `json:"k_lss"`
			C      float64 `json:"c_lss"`
			Hub    float64 `json:"hub_inertia"`
			Factor float64 `json:"mass_factor"`
			N      int     `json:"n_blades"`
		}
		var out map[string]json.RawMessage
		decode(t, c.Inputs, &in)
		decode(t, c.Outputs, &out)
		d := DriveTrain{
			RotorKgM2: in.Rotor, HubKgM2: in.Hub, GenKgM2: in.Gen, Gear: in.Gear, NmPerRad: in.K, NmsPerRad: in.C,
			Blade: bladeOf(blade.Table, 61.5, in.Factor, 1.5, true), Blades: in.N,
		}
		hz, zeta := d.RigidFree()
		for name, got := range map[string]float64{
			"rigid_rotor_free_free_hz": hz, "zeta_free_free": zeta, "rigid_rotor_locked_gen_hz": d.RigidLocked(),
			"Jg_lss": d.generator(), "rotor_inertia_fe": d.RotorInertia(),
		} {
			var want float64
			decode(t, out[name], &want)
			r.check(t, name, got, &want)
		}
		for name, body := range out {
			if !strings.HasPrefix(name, "flex_") {
				continue
			}
			var want []float64
			decode(t, body, &want)
			perBlade := 0
			if _, after, ok := strings.Cut(name, "bampton_"); ok {
				perBlade = int(after[0] - '0')
			}
			locked := strings.Contains(name, "locked")
			modes, err := d.Modes(locked, perBlade, len(want))
			if err != nil {
				t.Fatal(err)
			}
			for i, m := range modes {
				if want[i] < 1e-3 {
					if m.HZ() > 1e-3 {
						t.Errorf("%s: the rotation at %g Hz", name, m.HZ())
					}
					continue
				}
				r.check(t, name, m.HZ(), &want[i])
			}
		}
	}
}

// TestCraigBamptonConverges holds the reduction to the whole from above: the more modes of a
// blade, the nearer.
func TestCraigBamptonConverges(t *testing.T) {
	d := nrel5MWDriveTrain()
	whole, err := d.Modes(false, 0, 4)
	if err != nil {
		t.Fatal(err)
	}
	last := math.Inf(1)
	for _, n := range []int{1, 2, 4, 8, 16} {
		modes, err := d.Modes(false, n, 4)
		if err != nil {
			t.Fatal(err)
		}
		wrong := modes[3].HZ()/whole[3].HZ() - 1
		if wrong < -1e-7 || wrong > last+1e-7 {
			t.Errorf("%d modes a blade: wrong by %g after %g", n, wrong, last)
		}
		last = wrong
	}
	if last > 1e-5 {
		t.Errorf("16 modes a blade are still wrong by %g", last)
	}
	if zeta := d.damping(whole[3], false); zeta < 0.005 || zeta > 0.1 {
		t.Errorf("the shaft damps its mode by %g", zeta)
	}
}

func TestDriveTrainRefuses(t *testing.T) {
	d := nrel5MWDriveTrain()
	d.Blades = 0
	if _, err := d.Modes(true, 1, 1); !errors.Is(err, ErrBeam) {
		t.Errorf("no blade: %v", err)
	}
	d = nrel5MWDriveTrain()
	if _, err := d.Modes(true, 1000, 1); !errors.Is(err, ErrBeam) {
		t.Errorf("a thousand modes: %v", err)
	}
}
