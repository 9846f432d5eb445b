package move

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"teikyo/storage"
)

// Journal is a file with a line for every object that was copied and read back:
// key, space, SHA-256. What a crash leaves out of it is compared again.
type Journal struct {
	mu   sync.Mutex
	file *os.File
	done map[string]bool
}

// OpenJournal reads the file at path, or makes it (0600).
func OpenJournal(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal of the copy: %w", err)
	}
	j := &Journal{file: file, done: map[string]bool{}}
	if err := j.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("journal of the copy: %w", err), file.Close())
	}
	return j, nil
}

// read takes whole lines; what a crash tore is cut off by a line of its own.
func (j *Journal) read() error {
	lines := bufio.NewScanner(j.file)
	for lines.Scan() {
		key, sum, _ := strings.Cut(lines.Text(), " ")
		if _, err := hex.DecodeString(sum); err == nil && len(sum) == 2*sha256.Size && storage.CheckKey(key) == nil {
			j.done[key] = true
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	_, err := j.file.WriteString("\n")
	return err
}

// Has reports whether the object was copied and read back.
func (j *Journal) Has(key string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.done[key]
}

// Add writes down that the object was copied and read back.
func (j *Journal) Add(key string, sum [sha256.Size]byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := fmt.Fprintf(j.file, "%s %x\n", key, sum); err != nil {
		return fmt.Errorf("journal of the copy: %w", err)
	}
	j.done[key] = true
	return nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }
