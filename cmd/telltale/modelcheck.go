package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/models"
)

// modelCheck asks whether the flow can feed a stored model.
type modelCheck struct {
	*modelShelf
	config, set, library string
	period               float64
}

func (m *modelShelf) check() *cobra.Command {
	c := modelCheck{modelShelf: m}
	cmd := &cobra.Command{
		Use: "check VERSION", Short: "Say whether a stored model is whole and its class can feed it",
		Long: "Proves the file's digest, runs its self-test, and holds its inputs against what the class makes of the machines\n" +
			"of -c or --dataset; without these, of a machine that has every channel and metric it names. Ends with 1 when\n" +
			"anything is missing, and names it.",
		Example: "  telltale model check drivetrain-lstm:1 -c telltale.yaml", Args: exactly("VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.StringVarP(&c.config, "config", "c", "", "configuration file: its assets and classes")
	f.StringVar(&c.set, "dataset", "", "dataset folder: its assets")
	f.Float64Var(&c.period, "period", 0, "seconds between the machine's values; 0: any")
	f.StringVar(&c.library, "onnxruntime", "", "path of the ONNX Runtime library")
	return cmd
}

func (c *modelCheck) run(cmd *cobra.Command, ref string) error {
	repo := c.open()
	v, file, err := repo.Get(cmd.Context(), ref)
	if err != nil {
		return err
	}
	if v.Kind != "model" {
		return fmt.Errorf("%s is a parameter set: only models have inputs to check", v.Ref())
	}
	contract, err := models.Parse(file)
	if err != nil {
		return fmt.Errorf("%s: %w", v.Ref(), err)
	}
	w, err := c.works(contract)
	if err != nil {
		return err
	}
	key := models.Key{Class: contract.Class, Component: contract.Component}
	if v, err = repo.Check(cmd.Context(), ref, w.produced(key), c.period); err != nil {
		return err
	}
	if err := proof(c.library)(file); errors.Is(err, models.ErrNoRuntime) {
		fmt.Fprintln(cmd.ErrOrStderr(), "note: the self-test was not run: ONNX Runtime was not found")
	} else if err != nil {
		return fmt.Errorf("%s: %w", v.Ref(), err)
	}
	return c.print(cmd, v, nil)
}

// works puts the classes together with the machines that the model is to serve.
func (c *modelCheck) works(contract models.Contract) (*works, error) {
	classes, err := class.Shipped()
	if err != nil {
		return nil, err
	}
	var plates []asset.Nameplate
	if c.config != "" {
		conf, err := readPartConfig(c.config)
		if err != nil {
			return nil, err
		}
		if err := conf.addClasses(classes); err != nil {
			return nil, err
		}
		plates = append(plates, conf.Assets...)
	}
	if c.set != "" {
		set, err := dataset.Open(c.set)
		if err != nil {
			return nil, err
		}
		plates = append(plates, set.Assets...)
	}
	if len(plates) == 0 {
		plates = []asset.Nameplate{wellEquipped(classes.Of(contract.Class), contract)}
	}
	w := newWorks(classes, plates)
	for _, id := range w.ids {
		if classes.Of(w.plates[id].Kind).Kind == contract.Class {
			return w, nil
		}
	}
	return nil, fmt.Errorf("%s serves class %q, and no asset is of it: name others with -c or --dataset", contract.Name, contract.Class)
}

// wellEquipped is a machine of the class with every channel and metric that the
// model names.
func wellEquipped(c class.Class, contract models.Contract) asset.Nameplate {
	plate := asset.Nameplate{ID: "any", Kind: contract.Class, SpeedRpm: 1500, Components: []asset.Component{{Name: contract.Component}}}
	seen := map[string]bool{}
	for _, f := range contract.Features {
		name, feature, _ := strings.Cut(f.Name, "/")
		if seen[name] {
			continue
		}
		seen[name] = true
		switch {
		case strings.HasPrefix(feature, "value"):
			unit := c.Units[name]
			if unit == "" {
				unit = f.Unit
			}
			plate.Metrics = append(plate.Metrics, asset.Metric{Name: name, Unit: unit})
		case !strings.HasPrefix(feature, "residual"): // a residual comes of the class's own models
			plate.Channels = append(plate.Channels, asset.Channel{Name: name, Kind: "acceleration", Unit: "m/s2", RateHz: 25600, Component: contract.Component})
		}
	}
	return plate
}
