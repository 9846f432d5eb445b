package excel

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"teikyo/deid/table"
)

// maxToken is the longest tag or text that is read, bytes. Excel's own limit for
// the text of a cell is 32,767 characters (ECMA-376 18.18.2).
const maxToken = 1 << 20

var (
	errToken = errors.New("a tag or text is longer than 1 MiB")
	errDepth = errors.New("its elements are nested more than 200 deep")
)

const maxDepth = 200

// parser reads the tokens of one XML part at bounded memory.
type parser struct {
	dec   *xml.Decoder
	bound *bounded
	depth int
}

// newParser reads r as XML of UTF-8 or UTF-16. Entities beyond the five of XML
// are errors; nothing outside the part is ever read.
func newParser(r io.Reader) (*parser, error) {
	head, err := table.ReadHead(r, 4)
	if err != nil {
		return nil, err
	}
	b := &bounded{r: table.NewDecoder(head, r)}
	dec := xml.NewDecoder(b)
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	return &parser{dec: dec, bound: b}, nil
}

// bounded ends in errToken when too much is read without a new token.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errToken
	}
	n, err := b.r.Read(p[:min(len(p), b.left, 4<<10)])
	b.left -= n
	return n, err
}

// next returns the next token; io.EOF at the end. The token is valid until the
// following call.
func (p *parser) next() (xml.Token, error) {
	p.bound.left = maxToken
	tok, err := p.dec.RawToken()
	if err != nil {
		return nil, err
	}
	switch tok.(type) {
	case xml.StartElement:
		if p.depth++; p.depth > maxDepth {
			return nil, errDepth
		}
	case xml.EndElement:
		p.depth--
	}
	return tok, nil
}

// text reads the text up to the end of the element that was just opened, that of
// inner elements included, at most maxText bytes of it. Phonetic hints (rPh) are
// a second spelling of names: they are given to extra.
func (p *parser) text(buf []byte, extra func([]byte)) ([]byte, error) {
	phonetic, hint := 0, []byte(nil)
	for depth := 1; depth > 0; {
		tok, err := p.next()
		if err != nil {
			return buf, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if depth++; t.Name.Local == "rPh" && phonetic == 0 {
				phonetic = depth
			}
		case xml.EndElement:
			if depth--; depth < phonetic {
				phonetic = 0
				extra(hint)
				hint = hint[:0]
			}
		case xml.CharData:
			if phonetic > 0 {
				hint = append(hint, t...)
			} else {
				buf = append(buf, t...)
			}
		}
		if len(buf) > maxToken || len(hint) > maxToken {
			return buf, errToken
		}
	}
	return buf, nil
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// reason says why a part cannot be read, without its contents.
func reason(err error) string {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("line %d is no well-formed XML", syntax.Line)
	}
	return err.Error()
}
