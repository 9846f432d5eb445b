package dicom

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Tag is a tag of DICOM: group in the upper, element in the lower 16 bits.
type Tag uint32

// The tags that mean something to the reader.
const (
	tagMetaLength     Tag = 0x0002_0000
	tagMediaClass     Tag = 0x0002_0002
	tagMediaInstance  Tag = 0x0002_0003
	tagTransferSyntax Tag = 0x0002_0010
	tagCharset        Tag = 0x0008_0005
	tagImageType      Tag = 0x0008_0008
	tagSOPClass       Tag = 0x0008_0016
	tagModality       Tag = 0x0008_0060
	tagConversion     Tag = 0x0008_0064
	tagPatientName    Tag = 0x0010_0010
	tagPatientID      Tag = 0x0010_0020
	tagPatientBirth   Tag = 0x0010_0030
	tagIdentityGone   Tag = 0x0012_0062
	tagMethod         Tag = 0x0012_0063
	tagMethodCodes    Tag = 0x0012_0064
	tagSamples        Tag = 0x0028_0002
	tagPhotometric    Tag = 0x0028_0004
	tagFrames         Tag = 0x0028_0008
	tagRows           Tag = 0x0028_0010
	tagColumns        Tag = 0x0028_0011
	tagBits           Tag = 0x0028_0100
	tagBurnedIn       Tag = 0x0028_0301
	tagVisualFeatures Tag = 0x0028_0302
	tagTemporal       Tag = 0x0028_0303
	tagFloatPixels    Tag = 0x7FE0_0008
	tagDoublePixels   Tag = 0x7FE0_0009
	tagPixels         Tag = 0x7FE0_0010
	tagItem           Tag = 0xFFFE_E000
	tagItemEnd        Tag = 0xFFFE_E00D
	tagSequenceEnd    Tag = 0xFFFE_E0DD
)

func (t Tag) group() uint16 { return uint16(t >> 16) }

func (t Tag) private() bool { return t.group()&1 == 1 }

// String is the tag as DICOM writes it, with the name of the attribute where the
// table of the profile has one: "(0010,0010) Patient's Name".
func (t Tag) String() string {
	s := fmt.Sprintf("(%04X,%04X)", t.group(), uint16(t))
	if e, ok := tables().actions[t]; ok {
		return s + " " + e.name
	}
	return s
}

// field is the name of the tag in profiles: "0010,0010".
func (t Tag) field() string { return fmt.Sprintf("%04X,%04X", t.group(), uint16(t)) }

// actionsText is table E.1-1 of DICOM PS3.15 2024b: tag, action of the basic
// profile, name. It was derived from a table of KitwareMedical/dicom-anonymizer
// (BSD-3-Clause, docs/DEPENDENCIES.md); its three rows for groups of curves and
// overlays are in code.
//
//go:embed actions.txt
var actionsText string

// dictionaryText is the data dictionary of DICOM PS3.6: the value representation
// of each attribute, a group a line.
//
//go:embed dictionary.txt
var dictionaryText string

type entry struct{ action, name string }

type tagTables struct {
	actions map[Tag]entry
	vrs     map[Tag]string
}

// tables are made once and never change.
var tables = sync.OnceValue(func() tagTables {
	t := tagTables{actions: map[Tag]entry{}, vrs: map[Tag]string{}}
	for line := range strings.Lines(actionsText) {
		tag, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		action, name, _ := strings.Cut(rest, " ")
		t.actions[parseTag(tag)] = entry{action, name}
	}
	for line := range strings.Lines(dictionaryText) {
		words := strings.Fields(line)
		for _, w := range words[1:] {
			t.vrs[parseTag(words[0]+w[:4])] = w[4:]
		}
	}
	return t
})

func parseTag(hex string) Tag {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		return 0
	}
	return Tag(n)
}

// vrOf is the value representation of a tag by the dictionary; "" when it does
// not know the tag.
func vrOf(t Tag) string {
	if uint16(t) == 0 {
		return "UL"
	}
	return tables().vrs[t]
}
