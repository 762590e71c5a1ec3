package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/dataset"
	"github.com/telltale-iot/telltale/models"
	"github.com/telltale-iot/telltale/models/onnx"
)

// modelCheck says what is wrong with a model and whether the flow can feed it.
type modelCheck struct {
	*modelShelf
	config, set, library string
	period               float64
}

func (m *modelShelf) check() *cobra.Command {
	c := modelCheck{modelShelf: m}
	cmd := &cobra.Command{
		Use: "check FILE|VERSION", Short: "Say everything that is wrong with a model, and whether its class can feed it",
		Long: "Reads the file, loads it in a child process without network and with limits of memory and time, runs its self-test,\n" +
			"and holds its inputs against what the class makes of the machines of -c or --dataset; without these, of a machine\n" +
			"that has every channel and metric it names. Ends with 1 when anything is wrong, and names all of it, one line each.",
		Example: "  telltale model check drivetrain.onnx\n  telltale model check drivetrain-lstm:1 -c telltale.yaml", Args: exactly("FILE|VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.StringVarP(&c.config, "config", "c", "", "configuration file: its assets and classes")
	f.StringVar(&c.set, "dataset", "", "dataset folder: its assets")
	f.Float64Var(&c.period, "period", 0, "seconds between the machine's values; 0: any")
	f.StringVar(&c.library, "onnxruntime", "", "path of the ONNX Runtime library")
	return cmd
}

// checked is what there is to say of a model.
type checked struct {
	File     string           `json:"file,omitempty"`
	Version  *models.Version  `json:"version,omitempty"`
	Contract models.Contract  `json:"contract"`
	Findings []models.Finding `json:"findings"`
}

func (c *modelCheck) run(cmd *cobra.Command, ref string) error {
	said, file, err := c.read(cmd.Context(), ref)
	if err != nil {
		return err
	}
	said.Contract, err = models.Parse(file)
	if _, proven := prover(c.library).Prove(cmd.Context(), file); errors.Is(proven, models.ErrNoRuntime) {
		fmt.Fprintln(cmd.ErrOrStderr(), "note: the model was not run: ONNX Runtime was not found")
	} else {
		err = proven
	}
	if said.Findings, err = findings(err); err != nil {
		return fmt.Errorf("%s: %w", ref, err)
	}
	if len(said.Contract.Features) > 0 && said.Contract.Class != "" {
		w, err := c.works(said.Contract)
		if err != nil {
			return err
		}
		key := models.Key{Class: said.Contract.Class, Component: said.Contract.Component}
		more, err := findings(said.Contract.Fits(w.produced(key), c.period))
		if err != nil {
			return err
		}
		said.Findings = append(said.Findings, more...)
	}
	slices.SortFunc(said.Findings, func(a, b models.Finding) int { return strings.Compare(a.String(), b.String()) })
	return c.say(cmd, ref, said)
}

// read takes a file where there is one of that name, else a stored version.
func (c *modelCheck) read(ctx context.Context, ref string) (checked, []byte, error) {
	said := checked{Findings: []models.Finding{}}
	st, err := os.Stat(ref)
	if err == nil && st.Mode().IsRegular() || strings.HasSuffix(ref, ".onnx") {
		said.File = ref
		file, err := onnx.ReadFile(ref)
		return said, file, err
	}
	v, file, err := c.open().Get(ctx, ref)
	if err == nil && v.Kind != "model" {
		err = fmt.Errorf("%s is a parameter set: only models have inputs to check", v.Ref())
	}
	said.Version = &v
	return said, file, err
}

// findings are those of a model's error; any other error stays one.
func findings(err error) ([]models.Finding, error) {
	if bad, ok := errors.AsType[*models.ContractError](err); ok {
		return bad.Findings, nil
	}
	return []models.Finding{}, err
}

func (c *modelCheck) say(cmd *cobra.Command, ref string, said checked) error {
	var err error
	if n := len(said.Findings); n > 0 {
		err = fmt.Errorf("%s: %w: %d finding(s)", ref, models.ErrContract, n)
	}
	out := cmd.OutOrStdout()
	switch {
	case c.json:
		return errors.Join(err, printJSON(out, said))
	case err != nil:
		for _, f := range said.Findings {
			fmt.Fprintln(out, f)
		}
		return err
	case said.Version != nil:
		return c.print(cmd, *said.Version, nil)
	}
	rows := append([][]string{{"file", said.File}, {"sha256", said.Contract.Digest}}, contractRows(said.Contract)...)
	return table(out, []string{"FIELD", "VALUE"}, rows)
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
	plate := asset.Nameplate{ID: "any", Kind: contract.Class, SpeedRpm: 1500, Components: []asset.Component{{Name: contract.Component, Bearing: &asset.Bearing{
		RollingElements: 13, ElementDiameterMM: 3.5, PitchDiameterMM: 25.6,
	}}}}
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
