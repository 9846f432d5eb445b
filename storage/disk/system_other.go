//go:build unix && !linux && !darwin

package disk

import "os"

// startWriteback does nothing: this system has no such hint.
func startWriteback(*os.File, int64, int64) {}

// moveNoReplace renames from to to unless to exists (fs.ErrExist).
func moveNoReplace(from, to string) error { return linkAndRemove(from, to) }
