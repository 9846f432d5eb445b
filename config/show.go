package config

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Setting is one setting as it is in force.
type Setting struct {
	Name        string `json:"name"`
	Value       any    `json:"value"` // secrets redacted; durations as text
	From        string `json:"from"`
	Environment string `json:"environment"`
}

// Settings lists every setting, secrets redacted.
func (l Loaded) Settings() []Setting {
	var list []Setting
	for _, name := range Names() {
		list = append(list, Setting{
			Name: name, Value: shown(l.value(name)), From: l.Origin(name), Environment: EnvironmentName(name),
		})
	}
	return list
}

func (l Loaded) value(name string) any {
	v := reflect.ValueOf(l.Config)
	for part := range strings.SplitSeq(name, ".") {
		for field, inner := range v.Fields() {
			if field.Tag.Get("koanf") == part {
				v = inner
				break
			}
		}
	}
	return v.Interface()
}

func shown(v any) any {
	switch x := v.(type) {
	case Secret:
		return x.String()
	case time.Duration:
		return x.String()
	case []string:
		return append([]string{}, x...)
	default:
		return v
	}
}

// Write writes the settings as a configuration file, with where each comes from
// as a comment.
func (l Loaded) Write(w io.Writer) error {
	var open []string // the groups that the line before stood in
	for _, s := range l.Settings() {
		parts := strings.Split(s.Name, ".")
		groups, name := parts[:len(parts)-1], parts[len(parts)-1]
		for i, group := range groups {
			if i < len(open) && slices.Equal(open[:i+1], groups[:i+1]) {
				continue
			}
			if _, err := fmt.Fprintf(w, "%s%s:\n", strings.Repeat("  ", i), group); err != nil {
				return err
			}
		}
		open = groups
		indent := strings.Repeat("  ", len(groups))
		if _, err := fmt.Fprintf(w, "%s%s: %s  # %s\n", indent, name, yamlValue(s.Value), s.From); err != nil {
			return err
		}
	}
	return nil
}

// yamlValue is a value in the notation of YAML, of which JSON is a part.
func yamlValue(v any) string {
	switch x := v.(type) {
	case string:
		return fmt.Sprintf("%q", x)
	case []string:
		quoted := make([]string, len(x))
		for i, s := range x {
			quoted[i] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	default:
		return fmt.Sprint(v)
	}
}
