package asset_test

import (
	"encoding/json"
	"testing"

	"github.com/telltale-iot/telltale/asset"
)

func TestRULKeepsWhatIsMissing(t *testing.T) {
	for text, want := range map[string]string{
		`{"p10":1,"p50":2,"p90":null}`:             `{"p10":1,"p50":2,"p90":null,"fail_48h":null}`, // written before there was a probability
		`{"p10":1,"p50":2,"p90":3,"fail_48h":0.9}`: `{"p10":1,"p50":2,"p90":3,"fail_48h":0.9}`,
		`{}`:                                     `{"p10":null,"p50":null,"p90":null,"fail_48h":null}`,
		`{"p10":0,"p50":0,"p90":0,"fail_48h":0}`: `{"p10":0,"p50":0,"p90":0,"fail_48h":0}`,
		`{"p10":null,"p50":null,"p90":1,"unknown":[]}`: `{"p10":null,"p50":null,"p90":1,"fail_48h":null}`,
	} {
		r := asset.RUL{P10: 7, Soon: 1}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(r)
		if err != nil || string(got) != want {
			t.Errorf("%s became %s, %v; want %s", text, got, err, want)
		}
	}
	var r asset.RUL
	if json.Unmarshal([]byte(`{"p10":"soon"}`), &r) == nil {
		t.Error("a word was taken for hours")
	}
}
