package jsontext

// Node is one value of a Doc. Positions are offsets in Doc.Text; -1 is no node.
type Node struct {
	Kind          Kind // ObjectStart and ArrayStart stand for the whole container
	Cut           bool // a string that is longer than Limits.String
	KeyAt, KeyEnd int  // of the member's name as it is written, quotes included; equal where it has none
	At, End       int  // of the value as it is written
	First, Next   int  // first value inside; next one in the same container
	Line, Column  int64
}

// Doc is one value as a tree over its bytes. It is reused for the next value.
type Doc struct {
	Text  []byte // white space before the value, and the value
	Nodes []Node // the first is the value
	open  []int  // containers around the token at hand
	last  []int  // last value in each of them
}

// Root is the index of the value itself.
const Root = 0

// None is the index of no node.
const None = -1

// Raw is the value as it is written.
func (d *Doc) Raw(n int) []byte { return d.Text[d.Nodes[n].At:d.Nodes[n].End] }

// Key appends the decoded name of a member to dst.
func (d *Doc) Key(dst []byte, n int) []byte {
	return Unquote(dst, d.Text[d.Nodes[n].KeyAt:d.Nodes[n].KeyEnd])
}

// Chars appends the decoded characters of a string to dst.
func (d *Doc) Chars(dst []byte, n int) []byte { return Unquote(dst, d.Raw(n)) }

// Member returns the first member of the object n with this name, or None.
func (d *Doc) Member(n int, name string) int {
	if d.Nodes[n].Kind != ObjectStart {
		return None
	}
	var key []byte
	for c := d.Nodes[n].First; c != None; c = d.Nodes[c].Next {
		if key = d.Key(key[:0], c); string(key) == name {
			return c
		}
	}
	return None
}

// Is reports whether the value of the member name of the object n is the string s.
func (d *Doc) Is(n int, name, s string) bool {
	m := d.Member(n, name)
	return m != None && d.Nodes[m].Kind == String && string(d.Chars(nil, m)) == s
}

// Read reads the value that begins with the token t, which was just read from r.
func (d *Doc) Read(r *Reader, t Token) error {
	d.reset()
	_, err := d.read(r, t, nil)
	return err
}

// ReadUntil is Read, for an object, that stops after the name of a member of the
// outermost object for which stop is true. Then at is where in Text the comma and
// white space before that name begin, and the value of the member comes next
// from r; at is -1 when the value is whole.
func (d *Doc) ReadUntil(r *Reader, t Token, stop func(key []byte) bool) (at int, err error) {
	d.reset()
	return d.read(r, t, stop)
}

// ReadRest reads what is left of an object of which ReadUntil read the beginning
// and somebody else the value after it. The object lacks its '{'.
func (d *Doc) ReadRest(r *Reader) error {
	d.reset()
	d.Nodes = append(d.Nodes, Node{Kind: ObjectStart, At: -1, First: None, Next: None, Line: r.line})
	d.open, d.last = append(d.open, 0), append(d.last, None)
	t, err := r.Next()
	if err != nil {
		return err
	}
	_, err = d.read(r, t, nil)
	return err
}

func (d *Doc) reset() {
	d.Text, d.Nodes, d.open, d.last = d.Text[:0], d.Nodes[:0], d.open[:0], d.last[:0]
}

func (d *Doc) read(r *Reader, t Token, stop func(key []byte) bool) (int, error) {
	keyAt, keyEnd := 0, 0
	for {
		space := len(d.Text)
		d.Text = append(d.Text, t.Space...)
		at := len(d.Text)
		d.Text = append(d.Text, t.Raw...)
		if len(d.Text) > r.limits.Text || len(d.Nodes) >= r.limits.Nodes {
			return -1, r.limit("one record is larger than %d MiB or %d values", r.limits.Text>>20, r.limits.Nodes)
		}
		switch {
		case t.Key && t.Cut:
			return -1, r.limit("a name of more than %d bytes", r.limits.String)
		case t.Key && stop != nil && len(d.open) == 1 && stop(t.Raw):
			return space, nil
		case t.Key:
			keyAt, keyEnd = at, len(d.Text)
		case t.Kind == ObjectEnd || t.Kind == ArrayEnd:
			d.close()
		default:
			d.add(t, at, keyAt, keyEnd)
			keyAt, keyEnd = 0, 0
		}
		if len(d.open) == 0 {
			return -1, nil
		}
		var err error
		if t, err = r.Next(); err != nil {
			return -1, err
		}
	}
}

// add makes a node of the token, whose key, when it has one, was just read.
func (d *Doc) add(t Token, at, keyAt, keyEnd int) {
	n := len(d.Nodes)
	d.Nodes = append(d.Nodes, Node{
		Kind: t.Kind, Cut: t.Cut, KeyAt: keyAt, KeyEnd: keyEnd, At: at, End: len(d.Text),
		First: None, Next: None, Line: t.Line, Column: t.Column,
	})
	if depth := len(d.open); depth > 0 {
		if before := d.last[depth-1]; before == None {
			d.Nodes[d.open[depth-1]].First = n
		} else {
			d.Nodes[before].Next = n
		}
		d.last[depth-1] = n
	}
	if t.Kind == ObjectStart || t.Kind == ArrayStart {
		d.open = append(d.open, n)
		d.last = append(d.last, None)
	}
}

func (d *Doc) close() {
	depth := len(d.open) - 1
	d.Nodes[d.open[depth]].End = len(d.Text)
	d.open, d.last = d.open[:depth], d.last[:depth]
}
