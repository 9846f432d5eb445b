package risk

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"teikyo/models"
)

// The bounds of memory.
const (
	// DefaultMemory is how many bytes the table of counts takes.
	DefaultMemory = 48 << 20
	minMemory     = 1 << 16
	// MaxQuasi and MaxSensitive are how many columns can be measured at once.
	MaxQuasi     = 64
	MaxSensitive = 16
	// MaxDistinct is how many distinct values of a sensitive column are counted
	// for t-closeness; a column with more has none.
	MaxDistinct = 1 << 14
)

// Spill is a temporary file that nobody else can read (package spill): written
// once, read anywhere.
type Spill interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// Sealer makes Spills. Who runs a check says where they lie.
type Sealer interface{ Create() (Spill, error) }

// SealerFunc is a function as a Sealer.
type SealerFunc func() (Spill, error)

// Create implements Sealer.
func (f SealerFunc) Create() (Spill, error) { return f() }

// Config says what is measured.
type Config struct {
	QuasiIdentifiers []string // names of columns; at least one
	Sensitive        []string // names of columns whose diversity is measured; may be empty
	K                int      // class size below which records are counted; 0 is 5
	Threshold        float64  // risk of one record above which it is "at risk"; 0 is 1/K

	Memory int64     // bytes of the table; 0 is DefaultMemory
	Sealer Sealer    // nil: what does not fit into memory is an error
	Rand   io.Reader // for the key of the hashes
}

// Counter counts the classes of one table. It is not safe for concurrent use.
type Counter struct {
	cfg   Config
	key   [32]byte
	buf   []byte
	table table
	runs  runs

	records    int64
	population int64
	overall    []distribution // of the sensitive columns
}

// New makes a Counter. The error is a *models.Error of kind invalid, or that of
// Rand.
func New(cfg Config) (*Counter, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.K == 0 {
		cfg.K = 5
	}
	if cfg.Threshold == 0 {
		cfg.Threshold = 1 / float64(cfg.K)
	}
	if cfg.Memory == 0 {
		cfg.Memory = DefaultMemory
	}
	c := &Counter{cfg: cfg, overall: make([]distribution, len(cfg.Sensitive))}
	if _, err := io.ReadFull(cfg.Rand, c.key[:]); err != nil {
		return nil, fmt.Errorf("risk: reading randomness for a key: %w", err)
	}
	c.table.limit = int(max(cfg.Memory, minMemory) / entrySize)
	c.runs.sealer = cfg.Sealer
	return c, nil
}

func (cfg Config) check() error {
	switch {
	case len(cfg.QuasiIdentifiers) == 0:
		return models.Errorf(models.Invalid, "name at least one quasi-identifier: a column by which people can be told apart, such as month of birth or sex")
	case len(cfg.QuasiIdentifiers) > MaxQuasi || len(cfg.Sensitive) > MaxSensitive:
		return models.Errorf(models.Invalid, "at most %d quasi-identifiers and %d sensitive columns can be measured at once", MaxQuasi, MaxSensitive)
	case cfg.K < 0 || cfg.Threshold < 0 || cfg.Threshold > 1:
		return models.Errorf(models.Invalid, "k is a whole number from 1 on, and a risk lies between 0 and 1")
	}
	return nil
}

// Add counts one record: the values of the quasi-identifiers and of the
// sensitive columns, in the order of Config. The values may be reused by the
// caller. The error is that of the Sealer, or models.TooLarge without one.
func (c *Counter) Add(quasi, sensitive [][]byte) error {
	if len(quasi) != len(c.cfg.QuasiIdentifiers) || len(sensitive) != len(c.cfg.Sensitive) {
		return models.Errorf(models.Internal, "a record has %d quasi-identifiers and %d sensitive values, not %d and %d",
			len(quasi), len(sensitive), len(c.cfg.QuasiIdentifiers), len(c.cfg.Sensitive))
	}
	class := c.hash(tagClass, quasi...)
	c.records++
	if err := c.count(class, tagClass, hash{}); err != nil {
		return err
	}
	for i, value := range sensitive {
		h := c.hash(tagSensitive+byte(i), value)
		c.overall[i].add(h)
		if err := c.count(class, tagSensitive+byte(i), h); err != nil {
			return err
		}
	}
	return nil
}

// AddPopulation counts one record of a larger table from which the records were
// taken, for the journalist's risk.
func (c *Counter) AddPopulation(quasi [][]byte) error {
	if len(quasi) != len(c.cfg.QuasiIdentifiers) {
		return models.Errorf(models.Internal, "a record of the population has %d quasi-identifiers, not %d",
			len(quasi), len(c.cfg.QuasiIdentifiers))
	}
	c.population++
	return c.count(c.hash(tagClass, quasi...), tagPopulation, hash{})
}

// hash is 128 bits of SHA-256 over a key, a tag and a tuple.
type hash [16]byte

// Tags say what an entry counts. Sorted, the size of a class comes first.
const (
	tagClass      = 0 // records of the class
	tagPopulation = 1 // records of the class in the population
	tagSensitive  = 2 // a value of the first sensitive column in the class; then the next
)

// count adds one to an entry: class, tag, and 120 bits of the value's hash.
func (c *Counter) count(class hash, tag byte, value hash) error {
	var e entryKey
	copy(e[:], class[:])
	e[16] = tag
	copy(e[17:], value[:])
	if c.table.add(e) {
		return nil
	}
	if err := c.runs.spill(&c.table); err != nil {
		return err
	}
	c.table.add(e)
	return nil
}

// hash: the key fills half of the first block of SHA-256, and lengths make
// tuples prefix-free.
func (c *Counter) hash(tag byte, values ...[]byte) (h hash) {
	c.buf = append(append(c.buf[:0], c.key[:]...), tag)
	for _, v := range values {
		c.buf = binary.AppendUvarint(c.buf, uint64(len(v)))
		c.buf = append(c.buf, v...)
	}
	sum := sha256.Sum256(c.buf)
	copy(h[:], sum[:])
	return h
}

// Close removes what was spilled. It may be called more than once.
func (c *Counter) Close() error {
	clear(c.key[:])
	c.table = table{}
	return c.runs.close()
}

// distribution counts the values of a column over the whole table.
type distribution struct {
	counts  map[[15]byte]int64
	tooMany bool
}

func (d *distribution) add(h hash) {
	if d.tooMany {
		return
	}
	if d.counts == nil {
		d.counts = map[[15]byte]int64{}
	}
	d.counts[[15]byte(h[:15])]++
	if len(d.counts) > MaxDistinct {
		d.counts, d.tooMany = nil, true
	}
}
