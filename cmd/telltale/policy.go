package main

import (
	"strconv"
	"time"

	"github.com/telltale-iot/telltale/asset"
	"github.com/telltale-iot/telltale/class"
	"github.com/telltale-iot/telltale/workorders"
)

// order plans the work for an alert by the class of its asset.
func (w *works) order(a asset.Alert) (workorders.Order, bool) {
	plate := w.plates[a.Asset]
	return workorders.Plan(a, plate, orderPolicy(w.classes.Of(plate.Kind), plate, a.Component))
}

// The wind up to which people work, by default: in the nacelle, and with a crane.
const (
	nacelleMPS = 10
	craneMPS   = 12
)

// orderPolicy is what a class says of work on one component.
func orderPolicy(c class.Class, plate asset.Nameplate, component string) workorders.Policy {
	o := c.Orders
	p := workorders.Policy{Mildest: o.MaxSeverity, Confirmed: c.Alarm.ConfirmH > 0, Lead: inHours(o.LeadH)}
	if p.Mildest == 0 {
		p.Mildest = 3
	}
	part, ok := plate.Part(component)
	if !ok {
		part.Name = component
	}
	cost, ok := c.CostOf(part)
	if !ok {
		return p
	}
	p.Costs = workorders.Costs{
		FailureKEUR: cost.FailureKEUR, PlannedKEUR: cost.PlannedKEUR, InspectionKEUR: cost.InspectionKEUR, ExpressKEUR: cost.ExpressKEUR,
		CalloutKEUR: o.CalloutKEUR, StandbyKEUR: o.StandbyKEUR, LostKEURPerH: o.MeanPowerKW * o.PriceEURMWh / 1e6, // kW·€/MWh is 1e-3 €/h
		FailureDownH: cost.FailureDownH, PlannedDownH: cost.PlannedDownH, InspectDownH: o.InspectDownH, PartsLead: inHours(cost.PartsLeadH),
		Sensitivity: cost.Sensitivity, Specificity: cost.Specificity, Age: workorders.AgeLaw{ScaleH: cost.LifeScaleH, Shape: cost.LifeShape},
	}
	nacelle, crane := o.NacelleMPS, o.CraneMPS
	if nacelle == 0 {
		nacelle = nacelleMPS
	}
	if crane == 0 {
		crane = craneMPS
	}
	p.Access = workorders.Access{
		CrewLead: inHours(o.CrewLeadH), Every: inHours(o.EveryH), First: inHours(o.FirstH), Length: inHours(o.LengthH),
		Wind: workorders.Wind{MeanMPS: o.WindMeanMPS, Shape: o.WindShape, CalmH: o.WindCalmH}, RepairMPS: nacelle, VisitMPS: nacelle,
	}
	if cost.Crane {
		p.Access.RepairMPS = min(nacelle, crane) // people are up there as well
	}
	return p
}

func inHours(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }

// windowText is the window of an order on a terminal.
func windowText(w *workorders.Window) string {
	if w == nil {
		return ""
	}
	return clock(w.Start) + " to " + clock(w.End) + ", expected cost " + strconv.FormatFloat(w.ExpectedKEUR, 'f', 1, 64) + " kEUR"
}
