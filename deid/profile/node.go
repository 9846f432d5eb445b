package profile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of a document.
const (
	maxDocument = 1 << 20 // bytes
	maxErrors   = 20      // that are listed
	maxEntries  = 5000    // of one list or group
)

// reader walks a YAML document and notes what is wrong with it, line by line.
type reader struct {
	file string // "" or the name of the file, for messages
	errs []error
	// shipped finds the profile that one extends; nil when it may extend none.
	shipped func(name string) (*Profile, error)
}

func (r *reader) bad(n *yaml.Node, format string, args ...any) {
	if len(r.errs) >= maxErrors {
		return
	}
	where := ""
	if r.file != "" {
		where = r.file + ": "
	}
	r.errs = append(r.errs, fmt.Errorf("%sline %d: %s", where, n.Line, fmt.Sprintf(format, args...)))
}

func (r *reader) err() error { return errors.Join(r.errs...) }

// fields gives each entry of the group n to the function of its name. Unknown
// names, names that come twice and anything that is no group are errors.
func (r *reader) fields(n *yaml.Node, known map[string]func(*yaml.Node)) {
	r.entries(n, func(key, value *yaml.Node) {
		set, ok := known[key.Value]
		if !ok {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			r.bad(key, "the name %q is not known here; known are %s", key.Value, strings.Join(names, ", "))
			return
		}
		set(value)
	})
}

// entries walks a group whose names are free.
func (r *reader) entries(n *yaml.Node, each func(key, value *yaml.Node)) {
	switch {
	case n.Kind == yaml.AliasNode:
		r.bad(n, "references (*name) are not allowed; write the values out")
		return
	case n.Kind != yaml.MappingNode:
		r.bad(n, "here must stand a group of lines like \"name: value\"")
		return
	case len(n.Content) > 2*maxEntries:
		r.bad(n, "the group has more than %d entries", maxEntries)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode || key.Value == "":
			r.bad(key, "a name must be plain text")
		case seen[key.Value]:
			r.bad(key, "the name %q is there twice", key.Value)
		default:
			seen[key.Value] = true
			each(key, n.Content[i+1])
		}
	}
}

func (r *reader) scalar(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.bad(n, "here must stand one value")
		return "", false
	}
	return n.Value, true
}

func (r *reader) text(to *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if s, ok := r.scalar(n); ok {
			*to = s
		}
	}
}

func (r *reader) oneOf(to *string, allowed ...string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := r.scalar(n)
		switch {
		case !ok:
		case !slices.Contains(allowed, s):
			r.bad(n, "%q is none of %s", s, strings.Join(allowed, ", "))
		default:
			*to = s
		}
	}
}

func (r *reader) flag(to *bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := r.scalar(n)
		switch {
		case ok && (s == "true" || s == "false"):
			*to = s == "true"
		case ok:
			r.bad(n, "%q is neither true nor false", s)
		}
	}
}

func (r *reader) ratio(to *float64) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := r.scalar(n)
		if !ok {
			return
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f < 0 || f > 1 || f != f {
			r.bad(n, "%q is no share between 0 and 1", s)
			return
		}
		*to = f
	}
}

// number reads a whole number from low to high.
func number[N int | int64](r *reader, to *N, low, high N) func(*yaml.Node) {
	return func(n *yaml.Node) {
		s, ok := r.scalar(n)
		if !ok {
			return
		}
		v, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
		if err != nil || v < int64(low) || v > int64(high) {
			r.bad(n, "%q is no whole number from %d to %d", s, low, high)
			return
		}
		*to = N(v)
	}
}

// list reads a list of texts, each of which must please ok.
func (r *reader) list(to *[]string, what string, fine func(string) bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.SequenceNode || len(n.Content) > maxEntries {
			r.bad(n, "here must stand a list of at most %d values", maxEntries)
			return
		}
		*to = nil
		for _, item := range n.Content {
			s, ok := r.scalar(item)
			switch {
			case ok && !fine(s):
				r.bad(item, "%q is no %s", s, what)
			case ok && slices.Contains(*to, s):
				r.bad(item, "%q is there twice", s)
			case ok:
				*to = append(*to, s)
			}
		}
	}
}

func (r *reader) texts(to *map[string]string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		*to = map[string]string{}
		r.entries(n, func(key, value *yaml.Node) {
			if s, ok := r.scalar(value); ok {
				(*to)[key.Value] = s
			}
		})
	}
}
