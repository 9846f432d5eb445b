package zipfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrFormat says that the contents are no ZIP archive that can be listed; the
// message says where it breaks.
var ErrFormat = errors.New("not a readable ZIP archive")

// Limits bound what Open reads. The zero value has the defaults.
type Limits struct {
	Entries   int   // entries of one archive; 0 means 50,000
	Directory int64 // bytes of the central directory; 0 means 32 MiB
}

func (l Limits) entries() int {
	if l.Entries > 0 {
		return l.Entries
	}
	return 50_000
}

func (l Limits) directory() int64 {
	if l.Directory > 0 {
		return l.Directory
	}
	return 32 << 20
}

// Problem is something that an honest archive does not have.
type Problem struct {
	Rule  string // one of the rules below
	Entry string // the name of the entry, "" for the archive as a whole
	Msg   string
}

// The rules of problems.
const (
	RuleHiddenBytes = "hidden-bytes"       // bytes that no entry names
	RuleDisagree    = "headers-disagree"   // the directory and the entry say different things
	RuleOverlap     = "archive-bomb"       // entries that share their bytes
	RuleTooMany     = "too-many-entries"   // more than the limit
	RulePath        = "unsafe-path"        // a name that leaves the folder or deceives
	RuleDuplicate   = "duplicate-entry"    // two entries of one name
	RuleEncrypted   = "encrypted"          // contents that need a password
	RuleSymlink     = "special-file"       // links, devices
	RuleMethod      = "unknown-compressed" // a method of compression that is not read
)

// Archive is a listed archive.
type Archive struct {
	Entries  []*Entry
	Problems []Problem
	// Comment is the text at the end of the archive, in the encoding of its maker.
	Comment []byte
	r       io.ReaderAt
	size    int64
}

func (a *Archive) problem(rule, entry, format string, args ...any) {
	if len(a.Problems) < 1000 {
		a.Problems = append(a.Problems, Problem{rule, entry, fmt.Sprintf(format, args...)})
	}
}

// end is what the record at the end of the archive says.
type end struct {
	at      int64 // of the first end record (the ZIP64 one when there is one)
	records uint64
	size    uint64 // of the directory
	offset  uint64
	comment []byte
}

const (
	sigLocal, sigCentral, sigEnd    = "PK\x03\x04", "PK\x01\x02", "PK\x05\x06"
	sigLocator64, sigEnd64, sigDesc = "PK\x06\x07", "PK\x06\x06", "PK\x07\x08"
	lenLocal, lenCentral, lenEnd    = 30, 46, 22
	lenLocator64, lenEnd64          = 20, 56
	maxComment                      = 65_535
)

// Open lists the archive of size bytes in r.
func Open(r io.ReaderAt, size int64, limits Limits) (*Archive, error) {
	a := &Archive{r: r, size: size}
	e, err := a.findEnd()
	if err != nil {
		return nil, err
	}
	a.Comment = e.comment
	if e.records > uint64(limits.entries()) {
		a.problem(RuleTooMany, "", "the archive says it has %d entries, more than %d", e.records, limits.entries())
		return a, nil
	}
	if e.size > uint64(limits.directory()) || int64(e.size) > e.at { //nolint:gosec // compared just before
		return nil, fmt.Errorf("%w: its directory of %d bytes is too large", ErrFormat, e.size)
	}
	start := e.at - int64(e.size) //nolint:gosec // at most the limit
	base := start - int64(e.offset)
	if base != 0 {
		a.problem(RuleHiddenBytes, "", "%d bytes stand before the archive, as in an archive that is a program", base)
	}
	if base < 0 {
		return nil, fmt.Errorf("%w: its directory begins beyond its end", ErrFormat)
	}
	if err := a.readDirectory(start, e, base); err != nil {
		return nil, err
	}
	a.compareNames()
	return a, a.readLocals(start)
}

// findEnd reads the end record. It has to end with the file, and there may be
// only one: readers differ in which of two they take.
func (a *Archive) findEnd() (end, error) {
	tail := min(a.size, lenEnd+maxComment+lenLocator64)
	buf := make([]byte, tail)
	if err := a.read(buf, a.size-tail); err != nil {
		return end{}, err
	}
	found := -1
	for i := len(buf) - lenEnd; i >= 0; i-- {
		if string(buf[i:i+4]) != sigEnd {
			continue
		}
		if i+lenEnd+int(le16(buf[i+20:])) != len(buf) {
			continue
		}
		if found >= 0 {
			a.problem(RuleDisagree, "", "the archive has two end records, so that programs see different entries in it")
			break
		}
		found = i
	}
	if found < 0 {
		return end{}, fmt.Errorf("%w: its end is missing or something follows it", ErrFormat)
	}
	rec := buf[found:]
	e := end{
		at: a.size - tail + int64(found), records: uint64(le16(rec[10:])), size: uint64(le32(rec[12:])), offset: uint64(le32(rec[16:])),
		comment: bytes.Clone(rec[lenEnd:]),
	}
	if le16(rec[4:]) != le16(rec[6:]) || le16(rec[8:]) != le16(rec[10:]) || le16(rec[4:]) != 0 && le16(rec[4:]) != 0xFFFF {
		return end{}, fmt.Errorf("%w: it is one part of several", ErrFormat)
	}
	if e.at >= lenLocator64 {
		return a.findEnd64(e)
	}
	return e, nil
}

// findEnd64 reads the ZIP64 end record when a locator stands before e.
func (a *Archive) findEnd64(e end) (end, error) {
	loc := make([]byte, lenLocator64)
	if err := a.read(loc, e.at-lenLocator64); err != nil || string(loc[:4]) != sigLocator64 {
		return e, err
	}
	at := e.at - lenLocator64 - lenEnd64
	if at < 0 {
		return end{}, fmt.Errorf("%w: its ZIP64 end is missing", ErrFormat)
	}
	rec := make([]byte, lenEnd64)
	if err := a.read(rec, at); err != nil {
		return end{}, err
	}
	if string(rec[:4]) != sigEnd64 || le64(rec[4:]) != lenEnd64-12 || le32(rec[16:]) != 0 || le64(rec[24:]) != le64(rec[32:]) {
		return end{}, fmt.Errorf("%w: its ZIP64 end is not where it should be", ErrFormat)
	}
	wide := end{at: at, records: le64(rec[32:]), size: le64(rec[40:]), offset: le64(rec[48:]), comment: e.comment}
	if e.records != 0xFFFF && e.records != wide.records || e.size != 0xFFFFFFFF && e.size != wide.size ||
		e.offset != 0xFFFFFFFF && e.offset != wide.offset {
		a.problem(RuleDisagree, "", "the two end records of the archive say different things")
	}
	return wide, nil
}

// readDirectory reads the entries between start and the end record.
func (a *Archive) readDirectory(start int64, e end, base int64) error {
	dir := make([]byte, e.size)
	if err := a.read(dir, start); err != nil {
		return err
	}
	for len(dir) > 0 {
		entry, n, err := a.central(dir, base)
		if err != nil {
			return fmt.Errorf("%w: entry %d of its directory is broken", ErrFormat, len(a.Entries)+1)
		}
		if uint64(len(a.Entries)) == e.records {
			break
		}
		a.Entries = append(a.Entries, entry)
		dir = dir[n:]
	}
	if len(dir) > 0 || uint64(len(a.Entries)) != e.records {
		a.problem(RuleDisagree, "", "the archive says it has %d entries, its directory has another number", e.records)
	}
	return nil
}

func (a *Archive) read(p []byte, off int64) error {
	if off < 0 || off+int64(len(p)) > a.size {
		return fmt.Errorf("%w: it is cut off", ErrFormat)
	}
	n, err := a.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	return err
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
