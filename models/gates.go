package models

import "github.com/telltale-iot/telltale/asset"

// Failed says whether a missing score is the model's own fault: it failed, or
// answered with no number. A score that is missing for want of inputs is not.
func Failed(why asset.Reason) bool { return why == reasonFailed || why == reasonOutput }
