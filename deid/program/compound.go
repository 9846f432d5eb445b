package program

import (
	"bytes"
	"io"
	"slices"
	"unicode/utf16"
)

// compoundMagic begins compound files ([MS-CFB] 2.2): old Office documents,
// installers, and encrypted new ones.
const compoundMagic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

// IsCompound reports whether head begins a compound file.
func IsCompound(head []byte) bool { return bytes.HasPrefix(head, []byte(compoundMagic)) }

// Compound is what a compound file holds.
type Compound struct {
	Macros    bool // a VBA project or macro sheets' project
	Installer bool // a Windows Installer package
	Embedded  bool // a packaged file, which may be a program
	Encrypted bool // an Office document that needs a password
}

// sign is a name of a stream or storage, in UTF-16LE as directories hold it, or a
// class id of 16 bytes.
type sign struct {
	bytes []byte
	set   func(*Compound)
}

func signs() []sign {
	name := func(s string) []byte {
		var b []byte
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return b
	}
	macros := func(c *Compound) { c.Macros = true }
	embedded := func(c *Compound) { c.Embedded = true }
	return []sign{
		{name("_VBA_PROJECT"), macros}, {name("VBA\x00"), macros}, {name("Macros\x00"), macros},
		{name("\x01Ole10Native"), embedded}, {name("Package\x00"), embedded},
		{name("EncryptedPackage"), func(c *Compound) { c.Encrypted = true }},
		{[]byte("\x84\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"), func(c *Compound) { c.Installer = true }},
		{[]byte("\x86\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"), func(c *Compound) { c.Installer = true }},
	}
}

// ScanCompound reads a compound file to its end and says what it holds. It looks
// for the names of the parts wherever they stand, so that a broken directory
// hides nothing.
func ScanCompound(r io.Reader) (Compound, error) {
	var c Compound
	all := signs()
	longest := 0
	for _, s := range all {
		longest = max(longest, len(s.bytes))
	}
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for _, s := range all {
			if bytes.Contains(buf, s.bytes) {
				s.set(&c)
			}
		}
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		if len(buf) > cap(buf)-longest {
			buf = slices.Delete(buf, 0, len(buf)-longest)
		}
	}
}
