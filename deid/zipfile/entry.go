package zipfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Entry is one entry as the directory tells it.
type Entry struct {
	Name   string // decoded; "/" separates folders
	Raw    []byte // the name as it stands there
	Folder bool
	Method uint16
	CRC    uint32
	Packed uint64 // bytes in the archive
	Size   uint64 // bytes unpacked
	// Refused says that the contents must not be read: encrypted, special, broken.
	Refused bool

	flags    uint16
	at, data int64 // of the local header, of the contents
	archive  *Archive
}

const (
	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3
	flagStrong     = 1 << 6
	flagUTF8       = 1 << 11
	flagMasked     = 1 << 13

	extraZip64   = 0x0001
	extraUnicode = 0x7075
	extraAES     = 0x9901

	methodAES = 99
)

// The methods of compression that are read.
const (
	Store   = 0
	Deflate = 8
	Zstd    = 93
)

// central parses the entry at the beginning of dir and returns its length.
func (a *Archive) central(dir []byte, base int64) (*Entry, int, error) {
	if len(dir) < lenCentral || string(dir[:4]) != sigCentral {
		return nil, 0, ErrFormat
	}
	nName, nExtra, nComment := int(le16(dir[28:])), int(le16(dir[30:])), int(le16(dir[32:]))
	n := lenCentral + nName + nExtra + nComment
	if n > len(dir) {
		return nil, 0, ErrFormat
	}
	e := &Entry{
		Raw: bytes.Clone(dir[lenCentral : lenCentral+nName]), flags: le16(dir[8:]), Method: le16(dir[10:]), CRC: le32(dir[16:]),
		Packed: uint64(le32(dir[20:])), Size: uint64(le32(dir[24:])), archive: a,
	}
	extra := dir[lenCentral+nName : lenCentral+nName+nExtra]
	offset := uint64(le32(dir[42:]))
	if !widen(extra, &e.Size, &e.Packed, &offset) || offset > uint64(a.size) || e.Packed > uint64(a.size) {
		return nil, 0, ErrFormat
	}
	e.at = base + int64(offset) //nolint:gosec // at most the size of the file
	a.nameOf(e, extra)
	a.kindOf(e, le32(dir[38:]), dir[5], extra)
	return e, n, nil
}

// field returns the extra field of the id, nil when there is none. ok is false
// when the fields are broken.
func field(extra []byte, id uint16) (data []byte, ok bool) {
	for len(extra) >= 4 {
		n := int(le16(extra[2:]))
		if 4+n > len(extra) {
			return nil, false
		}
		if le16(extra) == id {
			return extra[4 : 4+n], true
		}
		extra = extra[4+n:]
	}
	return nil, true
}

// widen replaces the values that did not fit 32 bits, in the order of the
// specification (4.5.3).
func widen(extra []byte, values ...*uint64) bool {
	data, _ := field(extra, extraZip64)
	for _, v := range values {
		if *v != 0xFFFFFFFF {
			continue
		}
		if len(data) < 8 {
			return data == nil // without the field the value is meant
		}
		*v, data = le64(data), data[8:]
	}
	return true
}

const (
	madeByUnix, madeByMac = 3, 19
	typeMask, typeFile    = 0o170000, 0o100000
	typeFolder            = 0o040000
)

// kindOf looks at what kind of file the entry is.
func (a *Archive) kindOf(e *Entry, attributes uint32, madeBy byte, extra []byte) {
	e.Folder = strings.HasSuffix(e.Name, "/")
	aes, _ := field(extra, extraAES)
	switch {
	case e.flags&(flagEncrypted|flagStrong|flagMasked) != 0 || e.Method == methodAES || aes != nil:
		a.refuse(e, RuleEncrypted, "needs a password and cannot be looked into; put it there without one")
	case e.Method != Store && e.Method != Deflate && e.Method != Zstd:
		a.refuse(e, RuleMethod, fmt.Sprintf("is compressed by method %d, which is not read; use Deflate", e.Method))
	}
	if madeBy != madeByUnix && madeBy != madeByMac {
		return
	}
	switch attributes >> 16 & typeMask {
	case 0, typeFile:
	case typeFolder:
		if !e.Folder {
			a.refuse(e, RuleDisagree, "is a folder by its attributes and a file by its name")
		}
	default:
		a.refuse(e, RuleSymlink, "is a link or a device; put the file itself there")
	}
}

func (a *Archive) refuse(e *Entry, rule, msg string) {
	e.Refused = true
	a.problem(rule, e.Name, "%s", msg)
}

// readLocals compares every entry with its local header and sees to it that the
// entries fill the archive up to the directory, without gaps and overlaps.
func (a *Archive) readLocals(directory int64) error {
	order := slices.Clone(a.Entries)
	slices.SortStableFunc(order, func(x, y *Entry) int { return int(max(-1, min(1, x.at-y.at))) })
	at := int64(0)
	for i, e := range order {
		next := directory
		if i+1 < len(order) {
			next = order[i+1].at
		}
		if e.at > at && !a.isDescriptor(order, i, at, e.at) {
			a.problem(RuleHiddenBytes, e.Name, "%d bytes before this entry belong to nothing", e.at-at)
		}
		if e.at < at {
			a.refuse(e, RuleOverlap, "shares bytes with another entry, as in an archive that is made to burst")
			continue
		}
		if err := a.local(e); err != nil {
			return err
		}
		at = e.data + int64(e.Packed) //nolint:gosec // at most the size of the file
		if at > directory || at > next {
			a.refuse(e, RuleOverlap, "reaches into what follows it, as in an archive that is made to burst")
			at = min(at, next)
		}
	}
	if at < directory && !a.isDescriptor(order, len(order), at, directory) {
		a.problem(RuleHiddenBytes, "", "%d bytes before the directory belong to nothing", directory-at)
	}
	return nil
}

// isDescriptor reports whether the bytes between are the data descriptor of the
// entry before order[i] (4.3.9).
func (a *Archive) isDescriptor(order []*Entry, i int, from, to int64) bool {
	n := to - from
	if i == 0 || order[i-1].flags&flagDescriptor == 0 || n != 12 && n != 16 && n != 20 && n != 24 {
		return false
	}
	buf := make([]byte, n)
	if a.read(buf, from) != nil {
		return false
	}
	if n == 16 || n == 24 {
		if string(buf[:4]) != sigDesc {
			return false
		}
		buf = buf[4:]
	}
	e := order[i-1]
	if le32(buf) != e.CRC {
		return false
	}
	if len(buf) == 12 {
		return le32(buf[4:]) == uint32(e.Packed) && le32(buf[8:]) == uint32(e.Size) //nolint:gosec // the low half is compared
	}
	return le64(buf[4:]) == e.Packed && le64(buf[12:]) == e.Size
}

// local reads the local header of e and compares it with the directory.
func (a *Archive) local(e *Entry) error {
	head := make([]byte, lenLocal)
	if err := a.read(head, e.at); err != nil {
		return err
	}
	if string(head[:4]) != sigLocal {
		return fmt.Errorf("%w: an entry is not where its directory says", ErrFormat)
	}
	nName, nExtra := int64(le16(head[26:])), int64(le16(head[28:]))
	rest := make([]byte, nName+nExtra)
	if err := a.read(rest, e.at+lenLocal); err != nil {
		return err
	}
	e.data = e.at + lenLocal + nName + nExtra
	size, packed := uint64(le32(head[22:])), uint64(le32(head[18:]))
	wide := widen(rest[nName:], &size, &packed)
	open := e.flags&flagDescriptor != 0 && le32(head[14:]) == 0 && size == 0 && packed == 0
	const meaning = flagEncrypted | flagDescriptor | flagStrong | flagUTF8 | flagMasked
	switch {
	case !wide || !bytes.Equal(rest[:nName], e.Raw):
		a.refuse(e, RuleDisagree, "has another name in the directory than at its place")
	case le16(head[8:]) != e.Method || (le16(head[6:])^e.flags)&meaning != 0:
		a.refuse(e, RuleDisagree, "is of another kind in the directory than at its place")
	case !open && (le32(head[14:]) != e.CRC || size != e.Size || packed != e.Packed):
		a.refuse(e, RuleDisagree, "has another size in the directory than at its place")
	}
	return nil
}
