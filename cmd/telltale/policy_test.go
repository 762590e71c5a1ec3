package main

import (
	"testing"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/workorders"
)

func TestOrderPolicyIsTheClasss(t *testing.T) {
	set, err := class.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	turbine := set.Of("wind-turbine")
	plate := asset.Nameplate{ID: "wt01", Kind: "wind-turbine", Components: []asset.Component{{Name: "gearbox", Type: "gearbox"}}}
	p := orderPolicy(turbine, plate, "gearbox")
	row, _ := turbine.CostOf(plate.Components[0])
	if p.Costs.FailureKEUR != row.FailureKEUR || p.Costs.PartsLead != inHours(row.PartsLeadH) || p.Costs.Age.Shape != row.LifeShape || p.Lead != 48*time.Hour {
		t.Errorf("policy %+v of %+v", p, row)
	}
	// 600 kW at 80 €/MWh is 48 € an hour.
	if lost := p.Costs.LostKEURPerH; lost < 0.0479 || lost > 0.0481 {
		t.Errorf("lost production %v kEUR/h, want 0.048", lost)
	}
	turbine.Orders.CraneMPS = 7
	if p = orderPolicy(turbine, plate, "gearbox"); p.Access.RepairMPS != 7 || p.Access.VisitMPS != 10 {
		t.Errorf("a crane that lifts to 7 m/s: %+v", p.Access)
	}
	if p = orderPolicy(set.Of("series"), plate, "value"); p.Costs != (workorders.Costs{}) || p.Mildest != 2 {
		t.Errorf("a class without costs: %+v", p)
	}
}
