// Package buildinfo tells which version of the program this is.
package buildinfo

import "runtime/debug"

// version is set by the linker for releases: -X teikyo/internal/buildinfo.version=…
var version string

// Version is the release's version, else the commit it was built from, else
// "development".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "development"
}
