package risk

import "math"

// summary takes the sorted entries, class by class.
type summary struct {
	c   *Counter
	out Figures

	class      hash
	size       int64 // records of the class
	population int64 // of the class
	columns    []classColumn
	worst      []worst

	share                  float64 // Σ f/F
	covered                int64   // Σ F over the classes of the table
	riskProsecutor, riskJo int64   // records above the threshold
	smallestF              int64
}

// classColumn is a sensitive column within one class.
type classColumn struct {
	distinct int64
	clogc    float64 // Σ c·ln c
	distance float64 // Σ |p−q| over the values of the class
	seen     float64 // Σ q of these
}

// worst is a sensitive column over all classes.
type worst struct {
	any      bool
	distinct int64
	entropy  float64
	distance float64
	one      Small
}

func newSummary(c *Counter) *summary {
	n := len(c.cfg.Sensitive)
	s := &summary{c: c, columns: make([]classColumn, n), worst: make([]worst, n), smallestF: math.MaxInt64}
	s.out = Figures{
		QuasiIdentifiers: c.cfg.QuasiIdentifiers, Records: c.records, Population: c.population, K: c.cfg.K,
		Threshold: c.cfg.Threshold, Smallest: math.MaxInt64, Histogram: bars(), Spilled: c.runs.bytes,
	}
	return s
}

func (s *summary) take(e entry) {
	if class := hash(e.key[:16]); class != s.class {
		s.endClass()
		s.class = class
	}
	switch tag := e.key[16]; tag {
	case tagClass:
		s.size = e.n
	case tagPopulation:
		s.population = e.n
	default:
		s.takeValue(int(tag-tagSensitive), [15]byte(e.key[17:]), float64(e.n))
	}
}

// takeValue: the size of the class is known by now, its tag sorts first.
func (s *summary) takeValue(column int, value [15]byte, n float64) {
	col := &s.columns[column]
	col.distinct++
	col.clogc += n * math.Log(n)
	q := float64(s.c.overall[column].counts[value]) / float64(s.c.records)
	col.distance += math.Abs(n/float64(s.size) - q)
	col.seen += q
}

func (s *summary) endClass() {
	if s.size > 0 {
		s.count()
		for i := range s.columns {
			s.worst[i].take(s.columns[i], s.size)
		}
	}
	s.size, s.population = 0, 0
	clear(s.columns)
}

// count adds a class to the figures. Someone in the table is in the population
// too, whatever the population's table says.
func (s *summary) count() {
	out, f, pop := &s.out, s.size, max(s.size, s.population)
	out.Classes++
	out.Smallest, out.Largest = min(out.Smallest, f), max(out.Largest, f)
	s.smallestF = min(s.smallestF, pop)
	for i := range out.Histogram {
		if b := &out.Histogram[i]; b.To == 0 || f <= b.To {
			b.Classes++
			b.Records += f
			break
		}
	}
	out.BelowK.add(f, int64(out.K))
	out.BelowTen.add(f, 10)
	if f == 1 {
		out.Unique++
	}
	if 1/float64(f) > out.Threshold {
		s.riskProsecutor += f
	}
	if 1/float64(pop) > out.Threshold {
		s.riskJo += f
	}
	s.share += float64(f) / float64(pop)
	s.covered += pop
}

func (s *Small) add(size, below int64) {
	if size < below {
		s.Classes++
		s.Records += size
	}
}

// take: H = ln n − Σ(c·ln c)/n, and the distance between two distributions whose
// values are all equally far apart is half the sum of their differences.
func (w *worst) take(c classColumn, size int64) {
	n := float64(size)
	entropy := max(0, math.Log(n)-c.clogc/n)
	distance := (c.distance + max(0, 1-c.seen)) / 2
	if !w.any {
		w.any, w.distinct, w.entropy = true, c.distinct, entropy
	}
	w.distinct, w.entropy, w.distance = min(w.distinct, c.distinct), min(w.entropy, entropy), max(w.distance, distance)
	if c.distinct == 1 {
		w.one.Classes++
		w.one.Records += size
	}
}

func (s *summary) figures() Figures {
	out, n := s.out, float64(s.out.Records)
	out.Average = n / float64(out.Classes)
	for i := len(out.Histogram) - 1; i >= 0 && out.Histogram[i].Classes == 0; i-- {
		out.Histogram = out.Histogram[:i]
	}
	out.Prosecutor = Risk{1 / float64(out.Smallest), float64(s.riskProsecutor) / n, float64(out.Classes) / n}
	out.Marketer = rounded(s.share / n)
	out.Journalist = Risk{
		1 / float64(s.smallestF), float64(s.riskJo) / n,
		rounded(max(float64(out.Classes)/float64(s.covered), s.share/n)),
	}
	for i, name := range s.c.cfg.Sensitive {
		w := s.worst[i]
		d := Diversity{Column: name, Distinct: w.distinct, Entropy: rounded(math.Exp(w.entropy)), Closeness: rounded(w.distance), Homogenous: w.one}
		if s.c.overall[i].tooMany {
			d.Closeness, d.NoT = 0, true
		}
		out.Diversity = append(out.Diversity, d)
	}
	return out
}

// rounded drops what depends on the order of a sum, which is another in each
// run: the same table has the same figures.
func rounded(x float64) float64 { return math.Round(x*1e12) / 1e12 }
