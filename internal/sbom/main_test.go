package main

import (
	"bytes"
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

// recorded is what the linker writes into a program (runtime/debug).
const recorded = `path	teikyo/cmd/teikyo
mod	teikyo	(devel)
dep	filippo.io/age	v1.3.2	h1:MrlzjWB1K8KT5tcdmr1HnNuHs1+OEZ1w6cGGpBXz3yM=
dep	example.jp/old	v1.0.0
=>	example.jp/new	v1.1.0	h1:MrlzjWB1K8KT5tcdmr1HnNuHs1+OEZ1w6cGGpBXz3yM=
build	-ldflags="-s -w -X teikyo/internal/buildinfo.version=1.2.3"
`

// CycloneDX's own library reads the bill.
func TestBill(t *testing.T) {
	t.Parallel()
	info, err := debug.ParseBuildInfo(recorded)
	if err != nil {
		t.Fatal(err)
	}
	info.GoVersion = "go1.26.8" // stands beside the text in a program
	text, err := json.Marshal(billOf(info))
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.NewReader(text)
	var bill cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(out, cyclonedx.BOMFileFormatJSON).Decode(&bill); err != nil {
		t.Fatal(err)
	}
	if bill.SpecVersion != cyclonedx.SpecVersion1_6 || bill.Metadata.Component.Name != "teikyo" {
		t.Errorf("%+v", bill.Metadata)
	}
	if got := bill.Metadata.Component.Version; got != "1.2.3" {
		t.Errorf("version %q", got)
	}
	names := map[string]string{}
	for _, c := range *bill.Components {
		if c.PackageURL == "" || c.BOMRef != c.PackageURL {
			t.Errorf("%+v", c)
		}
		names[c.Name] = c.Version
		if c.Name != "std" && (c.Hashes == nil || len((*c.Hashes)[0].Value) != 64) {
			t.Errorf("%s has no digest", c.Name)
		}
	}
	if names["std"] == "" || names["filippo.io/age"] != "v1.3.2" || names["example.jp/new"] != "v1.1.0" {
		t.Errorf("it lists %v", names)
	}
	if uses := *(*bill.Dependencies)[0].Dependencies; len(uses) != len(*bill.Components) {
		t.Errorf("%d of %d are depended on", len(uses), len(*bill.Components))
	}
}

func TestNoProgram(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	if code := run([]string{"main.go"}, &out, &errOut); code != 1 || !strings.HasPrefix(errOut.String(), "sbom: ") {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
	if code := run(nil, &out, &errOut); code != 2 {
		t.Errorf("exit code %d", code)
	}
}
