package recognise

// groups are the runs of digits of a written number: 090-1234-5678 has three.
type groups struct {
	plus  bool
	paren bool // the first or second group is in parentheses
	n     int
	start [6]int
	end   [6]int
	sep   [6]byte // before each group; ')' stands for any closing parenthesis
}

// digits is how many digits the groups a to b (not included) have.
func (g *groups) digits(a, b int) int {
	sum := 0
	for i := a; i < b; i++ {
		sum += g.end[i] - g.start[i]
	}
	return sum
}

func (g *groups) len(i int) int { return g.end[i] - g.start[i] }

// parseGroups reads up to six groups from i, where a digit, + or ( stands.
func parseGroups(s []byte, i int) (g groups) {
	if i < len(s) && s[i] == '+' {
		g.plus = true
		i++
	}
	var sep byte
	for i < len(s) && g.n < len(g.start) {
		if s[i] == '(' {
			if i++; g.n < 2 {
				g.paren = true
			}
			sep = '('
		}
		start := i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		if i == start {
			return g
		}
		g.start[g.n], g.end[g.n], g.sep[g.n] = start, i, sep
		g.n++
		if sep, i = separator(s, i); sep == 0 {
			return g
		}
	}
	return g
}

// separator reads what may stand between two groups.
func separator(s []byte, i int) (sep byte, next int) {
	if i+1 >= len(s) {
		return 0, i
	}
	switch s[i] {
	case '-', '.', ' ', ')':
		sep = s[i]
		i++
		if (sep == ')' || sep == ' ') && (s[i] == ' ' || s[i] == '-') && i+1 < len(s) {
			i++
		}
		return sep, i
	case '(':
		return '(', i
	}
	return 0, i
}

// findPhone returns the end of the formatted phone number that starts at i, or 0.
// What it takes: Japan, the numbering plan of North America, Brazil, and any
// number with a country code. Bare digits are never enough.
func findPhone(s []byte, i int) int {
	g := parseGroups(s, i)
	if g.n == 0 {
		return 0
	}
	first := s[g.start[0]]
	end := 0
	switch {
	case g.plus:
		end = international(&g)
	case first == '0' && g.n >= 3:
		end = japanese(s, &g)
	default:
		if end = american(s, &g); end == 0 {
			end = brazilian(s, &g)
		}
	}
	if end > 0 && end < len(s) && (isAlnum(s[end]) || s[end] == '-' && end+1 < len(s) && isAlnum(s[end+1])) {
		return 0
	}
	return end
}

func international(g *groups) int {
	for n := min(g.n, 5); n > 0; n-- {
		if d := g.digits(0, n); d >= 9 && d <= 15 && s1to3(g, n) {
			return g.end[n-1]
		}
	}
	return 0
}

func s1to3(g *groups, n int) bool { return n == 1 || g.len(0) <= 4 }

// japanese: 03-1234-5678, 03(1234)5678, 090-1234-5678, 0120-333-906.
func japanese(s []byte, g *groups) int {
	total, last := g.digits(0, 3), g.len(2)
	tollFree := g.len(0) == 4 && last == 3 && total == 10
	if g.len(0) < 2 || total != 10 && total != 11 || last != 4 && !tollFree {
		return 0
	}
	mobile := g.len(0) == 3 && s[g.start[0]+2] == '0'
	for _, sep := range g.sep[1:3] {
		if (sep == ' ' || sep == '.') && !mobile {
			return 0
		}
	}
	if total == 11 && !mobile && string(s[g.start[0]:g.end[0]]) != "0800" {
		return 0
	}
	return g.end[2]
}

// american: (415) 555-0132, 415-555-0132, 1-415-555-0132, 415.555.0132.
func american(s []byte, g *groups) int {
	at := 0
	if g.n >= 4 && g.len(0) == 1 && s[g.start[0]] == '1' {
		at = 1
	}
	if g.n < at+3 || g.len(at) != 3 || g.len(at+1) != 3 || g.len(at+2) != 4 {
		return 0
	}
	if s[g.start[at]] < '2' || s[g.start[at+1]] < '2' || !g.paren && (g.sep[at+1] == ' ' || g.sep[at+2] == ' ') {
		return 0
	}
	return g.end[at+2]
}

// brazilian: (11) 98456-5666, 11 98456-5666, (11) 3456-7890.
func brazilian(s []byte, g *groups) int {
	if g.n < 3 || g.len(0) != 2 || g.len(2) != 4 || g.sep[2] != '-' {
		return 0
	}
	long := g.len(1) == 5 && s[g.start[1]] == '9'
	if long && (g.paren || g.sep[1] == ' ') || g.len(1) == 4 && g.paren {
		return g.end[2]
	}
	return 0
}

// isMobileJP: 09012345678, 11 digits that begin with 050, 060, 070, 080 or 090.
func isMobileJP(digits []byte) bool {
	return len(digits) == 11 && digits[0] == '0' && digits[1] >= '5' && digits[2] == '0' && allDigits(digits) &&
		!sameDigits(digits[3:])
}

// isPhoneBare: 10 or 11 digits; only a column's name tells them from others.
func isPhoneBare(digits []byte) bool {
	return (len(digits) == 10 || len(digits) == 11) && allDigits(digits) && !sameDigits(digits)
}
