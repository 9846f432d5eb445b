package config

import (
	"fmt"
	"io"
	"reflect"
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
	group := ""
	for _, s := range l.Settings() {
		head, name, nested := strings.Cut(s.Name, ".")
		indent := ""
		if !nested {
			name = head
		} else {
			indent = "  "
			if head != group {
				group = head
				if _, err := fmt.Fprintf(w, "%s:\n", head); err != nil {
					return err
				}
			}
		}
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
