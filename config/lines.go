package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// namedLine is one name of a YAML file and where it stands.
type namedLine struct {
	name  string // with the names of its groups before it: issuer.origin
	line  int
	group bool // a known group of settings
}

// linesOf lists every name in a YAML document. A name without a value is an
// error too: it looks as if it set something.
func linesOf(text []byte) ([]namedLine, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return linesOfNode(doc.Content[0], "")
}

func linesOfNode(node *yaml.Node, prefix string) ([]namedLine, error) {
	if node.Kind != yaml.MappingNode {
		if node.Tag == "!!null" && prefix == "" {
			return nil, nil
		}
		return nil, fmt.Errorf("line %d: settings are lines like \"name: value\"", node.Line)
	}
	var lines []namedLine
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := prefix + key.Value
		group := isGroup(name)
		lines = append(lines, namedLine{name, key.Line, group})
		if !group {
			continue
		}
		if value.Tag == "!!null" { // a group with everything commented out
			continue
		}
		inner, err := linesOfNode(value, name+".")
		if err != nil {
			return nil, err
		}
		lines = append(lines, inner...)
	}
	return lines, twice(lines)
}

func twice(lines []namedLine) error {
	seen := map[string]bool{}
	for _, l := range lines {
		if seen[l.name] {
			return fmt.Errorf("line %d: the setting %s is there twice", l.line, l.name)
		}
		seen[l.name] = true
	}
	return nil
}

func isGroup(name string) bool {
	return slices.ContainsFunc(Names(), func(known string) bool { return strings.HasPrefix(known, name+".") })
}

// suggestion names the setting that was probably meant.
func suggestion(name string) string {
	best, distance := "", 4
	plain := strings.NewReplacer(".", "", "_", "", "-", "")
	for _, known := range Names() {
		if d := editDistance(plain.Replace(strings.ToLower(name)), plain.Replace(known)); d < distance {
			best, distance = known, d
		}
	}
	if best == "" {
		return "; see teikyo config show"
	}
	return "; did you mean " + best + "?"
}

// editDistance is the number of letters to insert, remove or replace
// (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			last, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, last+cost)
		}
	}
	return row[len(b)]
}
