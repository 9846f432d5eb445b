package profile

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"teikyo/models"
)

// Load finds a profile by what a person typed: the name of a shipped one, or a
// YAML file, which is told by its ending or a path separator.
func Load(nameOrFile string) (*Profile, error) {
	if !strings.ContainsAny(nameOrFile, `/\`) && filepath.Ext(nameOrFile) != ".yaml" && filepath.Ext(nameOrFile) != ".yml" {
		return Shipped(nameOrFile)
	}
	text, err := readLimited(nameOrFile)
	if err != nil {
		return nil, models.Wrap(models.Invalid, err, "the profile "+nameOrFile+" cannot be read")
	}
	return parse([]part{{filepath.Base(nameOrFile), text}}, Shipped)
}

func readLimited(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxDocument+1))
}

// Set are the profiles that a server knows: the shipped ones and those of its
// operator.
type Set struct {
	own   map[string]*Profile
	names []string
}

// OpenSet reads the profiles of an operator, the files *.yaml in folder; an empty
// folder means none. The name of a shipped profile cannot be taken.
func OpenSet(folder string) (*Set, error) {
	s := &Set{own: map[string]*Profile{}}
	if folder == "" {
		return s, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, models.Wrap(models.Invalid, err, "the folder of profiles "+folder+" cannot be read")
	}
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != ".yaml" {
			continue
		}
		p, err := Load(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		if _, taken := loaders()[p.Name]; taken || s.own[p.Name] != nil {
			return nil, models.Errorf(models.Invalid, "%s: the name %s is taken by another profile; choose another name", e.Name(), p.Name)
		}
		s.own[p.Name] = p
		s.names = append(s.names, p.Name)
	}
	return s, nil
}

// Find returns the profile of that name; the empty name is jp-policy. A nil Set
// knows the shipped ones.
func (s *Set) Find(name string) (*Profile, error) {
	if s != nil {
		if p, ok := s.own[name]; ok {
			return p, nil
		}
	}
	p, err := Shipped(name)
	if err != nil && s != nil && len(s.names) > 0 {
		return nil, models.Errorf(models.Invalid, "there is no de-identification profile %q; use %s, or one of this server: %s",
			name, strings.Join(Names(), ", "), strings.Join(s.names, ", "))
	}
	return p, err
}
