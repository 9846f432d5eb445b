package program_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"teikyo/deid/program"
)

func wide(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func TestKind(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	test, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	pe := "MZ\x90\x00" + strings.Repeat("\x00", 56) + "\x80\x00\x00\x00" + strings.Repeat("\x00", 64) + "PE\x00\x00"
	for name, c := range map[string]struct{ head, want string }{
		"this test":    {string(test[:4096]), "program"},
		"windows":      {pe, "Windows"},
		"table MZ":     {"MZ,sex,age\nA,M,30\nA,M,30\nA,M,30\nA,M,30\nA,M,30\nA,M,30\nA,M,30\nA,M,30\n", ""},
		"shell":        {"#!/bin/sh\nrm -rf /\n", "script"},
		"shell bom":    {"\xef\xbb\xbf#!/bin/sh\n", "script"},
		"batch":        {"@ECHO OFF\r\ndel *", "batch"},
		"batch utf-16": {"\xff\xfe" + wide("@echo off\r\n"), "batch"},
		"lnk":          {"L\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "shortcut"},
		"java class":   {"\xca\xfe\xba\xbe\x00\x00\x00\x34", "Java"},
		"vbs":          {"' a script\r\nSet s = CreateObject(\"WScript.Shell\")\r\n", "script"},
		"reg":          {"Windows Registry Editor Version 5.00\r\n", "registry"},
		"hta":          {"<html><head><HTA:APPLICATION id=x></head>", "HTML application"},
		"csv":          {"code,sex\nA,M\n", ""},
		"prose":        {"The script was written by hand.\n", ""},
		"comment csv":  {"# a table\ncode,sex\n", ""},
		"empty":        {"", ""},
	} {
		got := program.Kind([]byte(c.head))
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a.exe": true, "a.EXE": true, "x/claims.csv.exe": true, "a.xlsm": true, "setup.msi ": true, "b.exe.": true,
		"claims.csv": false, "a.xlsx": false, "README": false, "analysis.R": false, "model.py": false, "dir.exe/a.csv": false,
	} {
		if got := program.Name(name) != ""; got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestScanCompound(t *testing.T) {
	t.Parallel()
	const magic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
	fill := strings.Repeat("\x00", 65_520)
	for name, c := range map[string]struct {
		data string
		want program.Compound
	}{
		"nothing":     {magic + fill + wide("WordDocument"), program.Compound{}},
		"macros":      {magic + fill + wide("_VBA_PROJECT") + fill, program.Compound{Macros: true}},
		"across":      {magic + strings.Repeat("x", 64<<10-16) + wide("_VBA_PROJECT"), program.Compound{Macros: true}},
		"installer":   {magic + "\x84\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", program.Compound{Installer: true}},
		"embedded":    {magic + wide("\x01Ole10Native"), program.Compound{Embedded: true}},
		"with secret": {magic + wide("EncryptedPackage"), program.Compound{Encrypted: true}},
	} {
		if !program.IsCompound([]byte(c.data)) {
			t.Errorf("%s: no compound file", name)
		}
		for _, r := range []func() (program.Compound, error){
			func() (program.Compound, error) { return program.ScanCompound(strings.NewReader(c.data)) },
			func() (program.Compound, error) {
				return program.ScanCompound(iotest.OneByteReader(bytes.NewReader([]byte(c.data))))
			},
		} {
			if got, err := r(); got != c.want || err != nil {
				t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
			}
		}
	}
}
