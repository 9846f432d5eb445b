package archive

import (
	"fmt"
	"path"
	"strings"
)

// words is a name of a file with what separates words as spaces, without its
// ending.
func words(name string) string {
	if ext := path.Ext(name); len(ext) <= 6 {
		name = strings.TrimSuffix(name, ext)
	}
	return strings.NewReplacer("_", " ", "/", " ", ",", " ").Replace(name)
}

func fields(s string) []string { return strings.Fields(s) }

// ordinal is 1st, 2nd, 3rd, 4th, …
func ordinal(n int) string {
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}
