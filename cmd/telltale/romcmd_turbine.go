package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/physics"
)

// romTurbine is one run of "telltale rom turbine".
type romTurbine struct {
	diameter, wind, rpm, power, seconds float64
	json                                bool
}

// shownTurbine is what it prints.
type shownTurbine struct {
	Modes []shownMode          `json:"modes"`
	Loads physics.TurbineLoads `json:"loads"`
}

type shownMode struct {
	Name string  `json:"name"`
	Hz   float64 `json:"hz"`
}

func romTurbineCommand() *cobra.Command {
	var r romTurbine
	c := &cobra.Command{
		Use: "turbine", Short: "Run the built-in model of a wind turbine at one operating point",
		Long: "The reduced-order model of the NREL 5 MW turbine, or of one scaled from it: modes of three blades, tower and\n" +
			"drive train. Prints their natural frequencies, and the strains and the shaft's torque of a run.",
		Example: "  telltale rom turbine --wind 11.4 --rpm 12.1 --power 5000", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	f := c.Flags()
	f.Float64Var(&r.diameter, "diameter", 126, "of the rotor in m")
	f.Float64Var(&r.wind, "wind", 11.4, "at the hub in m/s")
	f.Float64Var(&r.rpm, "rpm", 12.1, "speed of the rotor")
	f.Float64Var(&r.power, "power", 5000, "in kW")
	f.Float64Var(&r.seconds, "seconds", 600, "of the run, after as many to settle")
	f.BoolVar(&r.json, "json", false, "print JSON")
	return c
}

func (r *romTurbine) run(cmd *cobra.Command) error {
	t, err := physics.NewTurbine(r.diameter)
	if err != nil {
		return err
	}
	x, _, err := t.Turn(nil, r.wind, r.rpm, r.power, r.seconds)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	var out shownTurbine
	if _, out.Loads, err = t.Turn(x, r.wind, r.rpm, r.power, r.seconds); err != nil {
		return err
	}
	names, hz := t.Modes()
	for i := range names {
		out.Modes = append(out.Modes, shownMode{names[i], hz[i]})
	}
	if r.json {
		return printJSON(cmd.OutOrStdout(), out)
	}
	var rows [][]string
	for _, m := range out.Modes {
		rows = append(rows, []string{m.Name, fmt.Sprintf("%.4f", m.Hz)})
	}
	if err := table(cmd.OutOrStdout(), []string{"MODE", "HZ"}, rows); err != nil {
		return err
	}
	rows = [][]string{{"thrust", "kN", "", fmt.Sprintf("%.1f", out.Loads.ThrustN/1e3), ""}}
	for _, s := range []struct {
		name, unit string
		of         physics.Spread
		scale      float64
	}{
		{"blade flapwise strain", "µm/m", out.Loads.Flap, 1e6},
		{"blade edgewise strain", "µm/m", out.Loads.Edge, 1e6},
		{"tower strain", "µm/m", out.Loads.Tower, 1e6},
		{"shaft torque", "kN·m", out.Loads.TorqueNm, 1e-3},
	} {
		rows = append(rows, []string{s.name, s.unit, fmt.Sprintf("%.1f", s.of.Min*s.scale), fmt.Sprintf("%.1f", s.of.Mean*s.scale), fmt.Sprintf("%.1f", s.of.Max*s.scale)})
	}
	fmt.Fprintln(cmd.OutOrStdout())
	return table(cmd.OutOrStdout(), []string{"LOAD", "UNIT", "LEAST", "MEAN", "GREATEST"}, rows)
}
