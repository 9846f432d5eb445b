// Package program finds contents that can run: programs, scripts, and documents
// with macros. Files that are exchanged must not hold any (DOMAIN.md 1.7, the
// guidelines for medical information systems); they are found by their contents,
// whatever they are called, and by names that make a system run them.
package program

import (
	"bytes"
	"path"
	"strings"
	"unicode/utf8"
)

// magics are the first bytes of programs.
var magics = []struct{ prefix, kind string }{
	{"\x7fELF", "a program for Linux or Unix (ELF)"},
	{"\xfe\xed\xfa\xce", "a program for macOS (Mach-O)"}, {"\xfe\xed\xfa\xcf", "a program for macOS (Mach-O)"},
	{"\xce\xfa\xed\xfe", "a program for macOS (Mach-O)"}, {"\xcf\xfa\xed\xfe", "a program for macOS (Mach-O)"},
	{"\xca\xfe\xba\xbe", "a program for macOS or Java"}, {"\xca\xfe\xba\xbf", "a program for macOS (Mach-O)"},
	{"\x00asm", "a WebAssembly program"},
	{"L\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "a shortcut of Windows (.lnk)"},
	{"MSCF\x00\x00\x00\x00", "a cabinet of Windows, which installs programs"},
	{"!<arch>\n", "a package or library of programs"},
	{"\xed\xab\xee\xdb", "a package of programs (RPM)"},
	{"dex\n0", "a program for Android"},
	{"xar!", "an installer for macOS"},
	{"ITSF\x03\x00\x00\x00", "a compiled help file, which can run programs"},
}

// openings are how scripts begin, in lower case, after blanks and comments.
var openings = []struct{ prefix, kind string }{
	{"#!", "a script"},
	{"@echo off", "a batch file of Windows"}, {"@echo on", "a batch file of Windows"},
	{"<?php", "a PHP script"}, {"<%@", "a server script"}, {"<hta:application", "an HTML application"}, {"<job", "a script of Windows"},
	{"windows registry editor version", "a change of the Windows registry"}, {"regedit4", "a change of the Windows registry"},
	{"[internetshortcut]", "an internet shortcut"}, {"[desktop entry]", "a shortcut that runs a command"},
	{"[autorun]", "an instruction to run a program"}, {"<#\r\n.synopsis", "a PowerShell script"}, {"<#\n.synopsis", "a PowerShell script"},
	{"<script", "a script in HTML"},
}

// Kind says what kind of program contents that begin with head are; "" when they
// are none that it knows. A script without a line that says so cannot be told from
// other text.
func Kind(head []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.prefix)) {
			return m.kind
		}
	}
	if isPE(head) {
		return "a program for Windows (.exe, .dll)"
	}
	return script(head)
}

// isPE: "MZ", and either the PE header where it says, or none of the signs of
// text, so that a table whose first column is called MZ is not one.
func isPE(head []byte) bool {
	if len(head) < 64 || string(head[:2]) != "MZ" && string(head[:2]) != "ZM" {
		return false
	}
	at := int(head[60]) | int(head[61])<<8 | int(head[62])<<16
	if at+4 <= len(head) && head[63] == 0 && string(head[at:at+2]) == "PE" {
		return true
	}
	return bytes.IndexByte(head[:64], 0) >= 0
}

// opening is how much of the beginning is looked at for a script, bytes.
const opening = 4 << 10

func script(head []byte) string {
	text := strings.ToLower(string(plain(head[:min(len(head), opening)])))
	text = strings.TrimLeft(text, " \t\r\n")
	for _, o := range openings {
		if strings.HasPrefix(text, o.prefix) {
			return o.kind
		}
	}
	for _, call := range []string{"createobject(\"wscript.", "createobject(\"scripting.", "new activexobject(", "wscript.createobject(",
		"powershell -e", "powershell.exe -"} {
		if strings.Contains(text, call) {
			return "a script of Windows"
		}
	}
	if strings.HasPrefix(text, "<") && strings.Contains(text, "<hta:application") {
		return "an HTML application"
	}
	return ""
}

// plain takes the byte order mark away and halves UTF-16 of Latin letters.
func plain(head []byte) []byte {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return head[3:]
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		odd := 0
		if head[0] == 0xfe {
			odd = 1
		}
		out := make([]byte, 0, len(head)/2)
		for i := 2; i+1 < len(head); i += 2 {
			out = append(out, head[i+odd])
		}
		return out
	}
	return head
}

// extensions that Windows and macOS run, and documents with macros.
var extensions = strings.Fields(`exe com bat cmd scr pif cpl dll sys ocx msi msp mst msc ps1 psm1 psd1 vbs vbe js jse wsf wsh wsc hta lnk url scf
	reg inf jar jnlp app command dmg pkg apk chm gadget application appref-ms library-ms settingcontent-ms docm dotm xlsm xltm xlam xlsb xll pptm potm
	ppam ppsm sldm action workflow desktop`)

// Name says whether a system would run a file of that name; "" when not.
func Name(file string) string {
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(strings.TrimRight(file, ". ")), "."))
	if !utf8.ValidString(ext) || ext == "" {
		return ""
	}
	for _, e := range extensions {
		if e == ext {
			return "a name that systems run or that stands for macros (." + ext + ")"
		}
	}
	return ""
}
