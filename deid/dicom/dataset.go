package dicom

import (
	"context"
	"errors"
	"io"

	"teikyo/deid/profile"
	"teikyo/models"
)

// job is one file on its way. A check writes to nowhere and keeps findings; a
// transformation has values and keeps none.
type job struct {
	ctx     context.Context //nolint:containedctx // a job lives as long as one run
	in      *reader
	out     *writer
	rules   *rules
	find    *findings // nil in a transformation
	change  *values   // nil in a check
	chars   charset
	image   image
	pending []generated // elements that are still to be written, in order
}

// maxDepth is how deep sequences may nest.
const maxDepth = 32

// dataset goes over elements up to the offset end, or to the delimiter of an
// item when end is negative; at the top, depth 0, to the end of the file.
func (j *job) dataset(end int64, depth int) error {
	for {
		if end >= 0 && j.in.offset >= end {
			if j.in.offset > end {
				return j.in.damaged(j.in.offset, "an element goes beyond the end of its item; a length is wrong")
			}
			return nil
		}
		if err := j.ctx.Err(); err != nil {
			return err
		}
		e, err := j.in.header()
		switch {
		case errors.Is(err, io.EOF) && depth == 0:
			return j.generate(^Tag(0))
		case errors.Is(err, io.EOF):
			return j.in.cut(err)
		case err != nil:
			return err
		case e.tag == tagItemEnd && end < 0 && depth > 0:
			return nil
		case e.tag.group() == 0xFFFE:
			return j.in.damaged(e.at, "an item stands where none may be")
		case end >= 0 && e.length != undefined && int64(e.length) > end-j.in.offset:
			return j.in.damaged(e.at, "an element is longer than the item around it")
		}
		if depth == 0 {
			if err := j.generate(e.tag); err != nil {
				return err
			}
		}
		if err := j.element(e, depth); err != nil {
			return err
		}
	}
}

// element looks at one element and writes what stays of it.
func (j *job) element(e element, depth int) error {
	switch {
	case uint16(e.tag) == 0 || e.tag.group() == 0xFFFC || depth == 0 && isGenerated(e.tag):
		return j.marked(e) // lengths of groups and padding are of no use, the marks are written anew
	case e.tag == tagPixels || e.tag == tagFloatPixels || e.tag == tagDoublePixels:
		return j.pixels(e, depth)
	case e.tag.private():
		return j.gone(e, "private-tag", depth)
	}
	rule := j.rules.of(e.tag, e.vr)
	switch {
	case e.vr == "SQ" || e.length == undefined && (e.vr == "" || e.vr == "OB" || e.vr == "OW"):
		return j.sequenceByRule(e, rule, depth)
	case e.length == undefined: // UN: a sequence in implicit form (PS3.5 6.2.2)
		return j.gone(e, "unknown-sequence", depth)
	case rule.Action == profile.Drop:
		return j.gone(e, ruleName(e.tag, e.vr), depth)
	case e.length > maxValue:
		return j.long(e, rule, depth)
	}
	value, err := j.in.value(e.length)
	if err != nil {
		return err
	}
	return j.value(e, rule, value, depth)
}

// marked reads an element that is not written again. Of the marks the check
// remembers what they say.
func (j *job) marked(e element) error {
	if e.length == undefined {
		return j.skipSequence(j.in.explicit && e.vr != "UN", 0)
	}
	if e.length > maxValue {
		return j.in.copy(io.Discard, e.length)
	}
	value, err := j.in.value(e.length)
	if err != nil {
		return err
	}
	j.image.note(e.tag, value, j.in.order)
	return nil
}

// gone leaves an element out. It is a finding when there was something in it.
func (j *job) gone(e element, rule string, depth int) error {
	if e.length == 0 {
		return nil
	}
	j.change.count(e.tag)
	if e.length == undefined {
		j.find.add(rule, e, nil, goneWhy(rule))
		return j.skipSequence(j.in.explicit && e.vr != "UN", depth)
	}
	if e.length > maxValue || !isText(e.vr) {
		j.find.add(rule, e, nil, goneWhy(rule))
		return j.in.copy(io.Discard, e.length)
	}
	value, err := j.in.value(e.length)
	if err == nil && len(trim(value)) > 0 {
		j.find.add(rule, e, j.chars.text(value), goneWhy(rule))
	}
	return err
}

func goneWhy(rule string) string {
	switch rule {
	case "private-tag":
		return "private attributes may hold anything"
	case "unknown-sequence":
		return "it is a sequence of unknown form"
	}
	return "the profile takes it out"
}

// long is a value that is not held: figures pass through, all else goes.
func (j *job) long(e element, rule profile.Rule, depth int) error {
	if isText(e.vr) || rule.Action != profile.Keep && rule.Action != profile.Scan {
		j.find.add("too-long", e, nil, "it is longer than what one value may be")
		j.change.count(e.tag)
		return j.in.copy(io.Discard, e.length)
	}
	j.find.unseen(e)
	if err := j.out.header(e); err != nil {
		return err
	}
	return j.in.copy(j.out.out, e.length)
}

// sequenceByRule takes a sequence out, empties it, or looks into it.
func (j *job) sequenceByRule(e element, rule profile.Rule, depth int) error {
	if e.vr != "SQ" && j.in.explicit {
		return j.gone(e, "unknown-sequence", depth)
	}
	switch rule.Action {
	case profile.Drop:
		return j.gone(e, ruleName(e.tag, "SQ"), depth)
	case profile.Empty, profile.DeleteText, actionDummy:
		if err := j.gone(e, ruleName(e.tag, "SQ"), depth); err != nil {
			return err
		}
		return j.out.element(e.tag, "SQ", nil)
	}
	if depth >= maxDepth {
		return j.in.damaged(e.at, "sequences nest deeper than %d levels", maxDepth)
	}
	return j.sequence(e, depth)
}

// sequence writes a sequence and its items with delimiters instead of lengths,
// because what is in them changes its length.
func (j *job) sequence(e element, depth int) error {
	if err := j.out.header(element{tag: e.tag, vr: "SQ", length: undefined}); err != nil {
		return err
	}
	end := int64(-1)
	if e.length != undefined {
		end = j.in.offset + int64(e.length)
	}
	for end < 0 || j.in.offset < end {
		item, err := j.in.header()
		if err != nil {
			return j.in.cut(err)
		}
		if item.tag == tagSequenceEnd && end < 0 {
			break
		}
		if item.tag != tagItem || end >= 0 && item.length != undefined && int64(item.length) > end-j.in.offset {
			return j.in.damaged(item.at, "there is no item where one must be; a length before it is wrong")
		}
		if err := j.item(item, depth); err != nil {
			return err
		}
	}
	if end >= 0 && j.in.offset != end {
		return j.in.damaged(j.in.offset, "an item goes beyond the end of its sequence; a length is wrong")
	}
	return j.out.header(element{tag: tagSequenceEnd})
}

func (j *job) item(item element, depth int) error {
	if err := j.out.header(element{tag: tagItem, length: undefined}); err != nil {
		return err
	}
	end := int64(-1)
	if item.length != undefined {
		end = j.in.offset + int64(item.length)
	}
	if err := j.dataset(end, depth+1); err != nil {
		return err
	}
	return j.out.header(element{tag: tagItemEnd})
}

// skipSequence passes over a sequence of undefined length.
func (j *job) skipSequence(explicit bool, depth int) error {
	if depth >= maxDepth {
		return j.in.damaged(j.in.offset, "sequences nest deeper than %d levels", maxDepth)
	}
	before := j.in.explicit
	j.in.explicit = explicit
	defer func() { j.in.explicit = before }()
	for {
		item, err := j.in.header()
		switch {
		case err != nil:
			return j.in.cut(err)
		case item.tag == tagSequenceEnd:
			return nil
		case item.tag != tagItem:
			return j.in.damaged(item.at, "there is no item where one must be; a length before it is wrong")
		case item.length != undefined:
			err = j.in.copy(io.Discard, item.length)
		default:
			err = j.skipItem(depth)
		}
		if err != nil {
			return err
		}
	}
}

func (j *job) skipItem(depth int) error {
	for {
		e, err := j.in.header()
		switch {
		case err != nil:
			return j.in.cut(err)
		case e.tag == tagItemEnd:
			return nil
		case e.length == undefined:
			err = j.skipSequence(j.in.explicit && e.vr != "UN", depth+1)
		default:
			err = j.in.copy(io.Discard, e.length)
		}
		if err != nil {
			return err
		}
	}
}

// refused is the error of a file that may not be transformed.
func refused(path, why string) error {
	return models.Errorf(models.Invalid, "%s: %s", path, why)
}
